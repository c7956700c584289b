"""Measure how much of the sample's heat maps lies on the animal.

    python benchmarks/heat_maps.py [--images 400] [BUNDLE ...]

BUNDLE: folders of bundles that were trained on the sample; models/bundle unless told. Measures
Grad-CAM of the predicted class, resized as the plots show it, against the animal's outline, which
the generator knows; on the images of val (of the last `dvc repro`), and on images drawn afresh,
half of them cats, which belong to no split. Prints a Markdown table with standard errors:

area       the outline's share of the image: what a map that is equally bright everywhere has
mass       the share of the heat map that lies inside the outline
maximum    the share of images where the heat map's maximum lies inside (the pointing game, Zhang
           et al. 2016, without their tolerance of 15 pixels); a map of zeros does not
"""

import argparse
import re
import sys
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
Item = tuple[str, int]  # class and number


def val_items() -> list[Item]:
    """The images of val, without those that the generator damaged."""
    split = read_split(ROOT / "data/split.csv", ROOT / "data/images.parquet")
    names = [re.fullmatch(r"(\w+)/(\d+)\.jpg", name) for name in split["name"][split["split"] == "val"]]
    items = [(found[1], int(found[2])) for found in names if found]
    return [(label, number) for label, number in items if label in KINDS and number < PER_CLASS]


def draw_all(items: list[Item], size: int) -> list[tuple[bytes, np.ndarray]]:
    """Encoded images, and where the animal is: bool (S, S), in the network's view."""
    drawn = (draw_with_mask(0, label, number) for label, number in items)
    return [
        (encode(image), resized(mask.convert("RGB"), size, "squash")[..., 0] > 127)
        for image, mask in drawn
    ]


def inside(heatmap: np.ndarray, outline: np.ndarray) -> tuple[float, float, float]:
    """The outline's area, the map's mass inside, and whether its maximum is: 0 to 1."""
    shown = Image.fromarray(heatmap).resize(outline.shape[::-1], Image.Resampling.BILINEAR)
    values = np.asarray(shown, dtype=np.float64).clip(min=0)
    if values.max() == 0:
        return outline.mean(), 0.0, 0.0
    at_maximum = outline.flat[values.argmax()]
    return outline.mean(), values[outline].sum() / values.sum(), float(at_maximum)


def measure(predictor: Predictor, items: list[Item]) -> list[str]:
    """The cells of a row."""
    work = partial(draw_all, size=predictor.image_size)
    files, outlines = zip(*map_shards(work, items, SHARD_SIZE, cores()), strict=True)
    answer = predictor.predict(np.stack([predictor.decode(file) for file in files]))
    truth = np.array([predictor.labels.index(label) for label, _ in items])
    predicted = answer.probabilities.argmax(axis=1)
    heatmaps = answer.heatmaps[np.arange(len(items)), predicted]
    shares = np.array([inside(*pair) for pair in zip(heatmaps, outlines, strict=True)])
    shares = np.column_stack([shares, predicted == truth])
    errors = shares.std(axis=0) / np.sqrt(len(items))
    [(_, nats)] = loss(truth, answer.probabilities)
    numbers = [f"{m:.3f} ± {e:.3f}" for m, e in zip(shares.mean(axis=0), errors, strict=True)]
    return ["×".join(map(str, heatmaps.shape[1:])), str(len(items)), *numbers, f"{nats:.3f}"]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("bundles", nargs="*", type=Path, default=[ROOT / "models/bundle"])
    arguments = parser.parse_args()
    fresh = [(label, FRESH + n) for n in range(arguments.images // 2) for label in KINDS]
    print("| bundle | images | map | number | area | mass | maximum | accuracy | log loss |")
    print("|" + 9 * "---|")
    for bundle in arguments.bundles:
        predictor = Predictor(bundle)
        for name, items in (("val", val_items()), ("fresh", fresh)):
            print("|", " | ".join([str(bundle), name, *measure(predictor, items)]), "|")


if __name__ == "__main__":
    sys.exit(main())
