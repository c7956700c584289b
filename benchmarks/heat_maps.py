"""Measure how much of the sample's heat maps lies on the animal.

    python benchmarks/heat_maps.py [--images 400] [BUNDLE ...]

BUNDLE: folders of bundles that were trained on the sample; models/bundle unless told. Measures
Grad-CAM of the predicted class, resized as the plots show it, against the animal's outline, which
the generator knows: on the images of val (of the last `dvc repro`), and on images drawn afresh,
which belong to no split. Most animals are in the middle, where a map that never changes would do
well; so the same images are also moved sideways by a quarter of their width, what leaves at one
side coming in at the other. Prints a Markdown table of means and standard errors:

area       the outline's share of the image: what a map that is equally bright everywhere has
mass       the share of the heat map that lies inside the outline
maximum    the share of images where the heat map's maximum lies inside (the pointing game, Zhang
           et al. 2016, without their tolerance of 15 pixels); a map of zeros does not
moved      mass and maximum of the moved images
old map    mass of the map of the image before it was moved, inside the moved outline
"""

import argparse
import re
from functools import partial
from pathlib import Path

import numpy as np
from clone import ROOT
from PIL import Image

from thaw.data.tables import read_split
from thaw.evaluate.metrics import loss
from thaw.images import resized
from thaw.parallel import cores, map_shards
from thaw.sample.generate import KINDS, PER_CLASS, draw_with_mask, encode
from thaw.serving.predictor import Predictor

FRESH = 10_000  # number of the first image that is drawn afresh; the sample's are below
SHARD_SIZE = 20  # images
COLUMNS = "bundle images map number area mass maximum moved maximum old-map accuracy log-loss"
Item = tuple[str, int]  # class and number


def val_items() -> list[Item]:
    """The images of val, without those that the generator damaged."""
    split = read_split(ROOT / "data/split.csv", ROOT / "data/images.parquet")
    names = split["name"][split["split"] == "val"]
    found = (re.fullmatch(r"(\w+)/(\d+)\.jpg", name) for name in names)
    items = [(match[1], int(match[2])) for match in found if match]
    return [(label, number) for label, number in items if label in KINDS and number < PER_CLASS]


def draw_all(items: list[Item], size: int) -> list[tuple[bytes, np.ndarray]]:
    """Encoded images, and where the animal is: bool (S, S), in the network's view."""
    drawn = (draw_with_mask(0, label, number) for label, number in items)
    return [
        (encode(image), resized(mask.convert("RGB"), size, "squash")[..., 0] > 127)
        for image, mask in drawn
    ]


def explained(predictor: Predictor, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, C), and heat maps of the predicted classes (N, h, w)."""
    answer = predictor.predict(images)
    chosen = answer.probabilities.argmax(axis=1)
    return answer.probabilities, answer.heatmaps[np.arange(len(images)), chosen]


def inside(heatmaps: np.ndarray, outlines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each map, the share of its mass inside, and whether its maximum is: (N,), (N,)."""
    mass, maximum = np.zeros(len(heatmaps)), np.zeros(len(heatmaps))
    for n, (heatmap, outline) in enumerate(zip(heatmaps, outlines, strict=True)):
        shown = Image.fromarray(heatmap).resize(outline.shape[::-1], Image.Resampling.BILINEAR)
        values = np.asarray(shown, dtype=np.float64).clip(min=0)
        if values.max() > 0:
            mass[n] = values[outline].sum() / values.sum()
            maximum[n] = outline.flat[values.argmax()]
    return mass, maximum


def measure(predictor: Predictor, items: list[Item]) -> list[str]:
    """The cells of a row."""
    work = partial(draw_all, size=predictor.image_size)
    files, outlines = zip(*map_shards(work, items, SHARD_SIZE, cores()), strict=True)
    images = np.stack([predictor.decode(file) for file in files])
    probabilities, heatmaps = explained(predictor, images)
    quarter = predictor.image_size // 4
    moved_outlines = np.roll(outlines, quarter, axis=2)
    _, moved = explained(predictor, np.roll(images, quarter, axis=2))
    truth = np.array([predictor.labels.index(label) for label, _ in items])
    values = [np.mean(outlines, axis=(1, 2)), *inside(heatmaps, np.stack(outlines))]
    values += [*inside(moved, moved_outlines), inside(heatmaps, moved_outlines)[0]]
    values.append(probabilities.argmax(axis=1) == truth)
    numbers = [f"{v.mean():.3f} ± {v.std() / np.sqrt(len(items)):.3f}" for v in values]
    [(_, nats)] = loss(truth, probabilities)
    return ["×".join(map(str, heatmaps.shape[1:])), str(len(items)), *numbers, f"{nats:.3f}"]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("bundles", nargs="*", type=Path, default=[ROOT / "models/bundle"])
    arguments = parser.parse_args()
    fresh = [(label, FRESH + n) for n in range(arguments.images // 2) for label in KINDS]
    header = [column.replace("-", " ") for column in COLUMNS.split()]
    print(f"| {' | '.join(header)} |\n|{len(header) * '---|'}")
    for bundle in arguments.bundles:
        predictor = Predictor(bundle)
        for name, items in (("val", val_items()), ("fresh", fresh)):
            print("|", " | ".join([str(bundle), name, *measure(predictor, items)]), "|")


if __name__ == "__main__":
    main()
