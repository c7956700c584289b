"""Compare scores of how strange an image is, and measure that of the bundle, on photographs.

    python benchmarks/unknown_scores.py ARCHIVE BREEDS CALTECH WEIGHTS [--sizes 224,288]
        [--seeds 3] [--plot outputs/unknown_scores.png]

ARCHIVE: a zip of photographs of cats and dogs; BREEDS: a zip of others, from other sources, with
labels.csv (file,label,breed); CALTECH: a zip with a folder of photographs of each other thing;
WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top. Works in a clone in a temporary
folder. Embeds all with the base, splits the archive with each seed, and solves a head.

Breeds and other things are halved, the choosing half first: every second breed of cats and of dogs,
and every second class, by name. Prints a Markdown table for each size, means over the seeds, of
percentages: AUROC against the images of test; with the limit set out of fold on train and val to
refuse 2 % of them, what is refused of test, of other things and of the breeds; and the last two
with a limit that refuses 2 % of test. Then what the bundle's score costs, and a plot of the
trade-off on the reporting halves. Exits 1 unless the bundle's score has, on the reporting halves at
each size, an AUROC of at least 0.985, and, with 2 % of test refused, refuses at least 88 % of other
things and at most 8 % of the breeds.
"""

import argparse
import io
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from candidate_scores import CANDIDATES, SUMS, Known
from clone import timed
from sklearn.metrics import roc_auc_score
from sweeps import photographs

from thaw.data.split import make_split
from thaw.data.tables import read_images, read_rows
from thaw.evaluate.unknown import fit, limit
from thaw.features.embedded import Embedded
from thaw.features.extract import Engine
from thaw.features.graph import Graph
from thaw.features.head import DenseHead
from thaw.features.linear_head import solve
from thaw.images import decode
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.unknown_onnx import with_unknown_score
from thaw.runtime import Network

REFUSE, CHOSEN = 0.02, "distance × √length"
DRAWN = [CHOSEN, "largest probability", "Mahalanobis", "nearest neighbour", "ViM"]
DRAWN += ["distance inside", "length outside", "distance inside + ViM"]
SETS = ("test", "other", "breeds")
Scores = dict[str, np.ndarray]  # of the images out of fold, and of each of SETS


def halves(names: pd.Series) -> pd.Series:
    """Whether each of the names is in the choosing half."""
    return names.isin(sorted(set(names))[::2])


def read_breeds(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Files, and whether each is in the choosing half: every second breed of cats and of dogs."""
    with zipfile.ZipFile(path) as archive:
        table = pd.read_csv(io.BytesIO(archive.read("labels.csv")))
        files = [archive.read(name) for name in table["file"]]
    return files, table.groupby("label")["breed"].transform(halves).to_numpy()


def read_other(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Files, and whether each is in the choosing half."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        files = [archive.read(name) for name in names]
    return files, halves(pd.Series([Path(name).parent.name for name in names])).to_numpy()


def embed(folder: Path, files: Iterable[bytes], size: int) -> np.ndarray:
    """Embeddings as the stage `embed` computes them."""
    network = Graph.open(folder / "models/base").embedder("average")
    with closing(Engine(network, "float32", "float16")) as engine:
        found = engine.run(files, lambda data: decode(data, size))
        return np.stack([*found]).astype(np.float32)


def all_scores(
    own: np.ndarray, split: pd.DataFrame, labels: np.ndarray, sets: Scores
) -> Iterator[tuple[str, Scores]]:
    """Yield the scores of every candidate and sum, by name."""
    is_test, fold = (split["split"] == "test").to_numpy(), split["fold"].to_numpy()
    found: dict[str, Scores] = {name: {"known": np.empty(len(own))} for name in CANDIDATES}
    for number in [*np.unique(fold[~is_test]), None]:
        is_in = ~is_test & (fold != number)
        view = np.zeros(is_in.sum(), np.int64)
        head = solve(Embedded(own[is_in], labels[is_in], fold[is_in], view))[0]
        known = Known(own[is_in], labels[is_in], head)
        for name, candidate in CANDIDATES.items():
            score = candidate(known)
            if number is None:
                found[name] |= {"test": score(own[is_test])}
                found[name] |= {of: score(rows) for of, rows in sets.items()}
            else:
                found[name]["known"][fold == number] = score(own[fold == number])
    for scores in found.values():
        scores["known"] = scores["known"][~is_test]
    yield from found.items()
    for first, second in SUMS:
        one, other = (
            {of: values / found[name]["known"].std() for of, values in found[name].items()}
            for name in (first, second)
        )
        yield f"{first} + {second}", {of: one[of] + other[of] for of in one}


def measures(scores: Scores, is_choosing: Scores) -> np.ndarray:
    """The columns of the table, in percent."""
    halved = {of: (scores[of][is_choosing[of]], scores[of][~is_choosing[of]]) for of in SETS[1:]}
    test = scores["test"]
    columns = []
    for other in halved["other"]:
        truth = np.repeat([0, 1], [len(test), len(other)])
        columns.append(roc_auc_score(truth, np.concatenate([test, other])))
    parts = [test, *halved["other"], *halved["breeds"]]
    for refusing in (scores["known"], test):
        columns += [(part > limit(refusing, REFUSE)).mean() for part in parts]
    return 100 * np.array(columns)


def print_table(found: dict[str, np.ndarray]) -> None:
    """found: the columns of each score."""
    titles = ["score", "AUROC", "test", "other", "breeds", "at 2 % of test: other", "breeds"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name, (*auroc, test, a, b, c, d, _, e, f, g, h) in found.items():
        cells = [name, "{:.2f} / {:.2f}".format(*auroc), f"{test:.1f}"]
        cells += [f"{one:.1f} / {other:.1f}" for one, other in ((a, b), (c, d), (e, f), (g, h))]
        print(f"| {' | '.join(cells)} |", flush=True)


def plot(path: Path, found: dict[str, Scores], is_choosing: Scores) -> None:
    """Draw other things refused over breeds refused, in the reporting halves, a line for a score.

    A dot is the limit that refuses 2 % out of fold.
    """
    figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    for name in DRAWN:
        scores = found[name]
        halved = [scores[of][~is_choosing[of]] for of in ("breeds", "other")]
        limits = np.sort(np.concatenate(halved))[::-1, None]
        [line] = axes.plot(
            *(100 * (part >= limits).mean(axis=1) for part in halved),
            label=name,
            linewidth=3 if name == CHOSEN else 1.5,
        )
        at = limit(scores["known"], REFUSE)
        axes.plot(*(100 * (part > at).mean() for part in halved), "o", color=line.get_color())
    axes.fill_between([0, 8], 88, 100, color="0.92", zorder=0)
    axes.set(xlim=(0, 30), ylim=(40, 100.5))
    axes.set(xlabel="cats and dogs from other sources refused, %", ylabel="other things refused, %")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def print_cost(folder: Path, own: np.ndarray, size: int) -> None:
    """Milliseconds of the graph with and without the score, alternating, and the size."""
    head = DenseHead.initial([own.shape[1], 2], seed=0)
    plain = classifier_onnx((folder / "models/base.onnx").read_bytes(), head, "average")
    reference = fit(own)
    networks = []
    for number, model in enumerate((plain, with_unknown_score(plain, vars(reference)))):
        path = folder / f"{number}.onnx"
        path.write_bytes(model)
        networks.append(Network(path, "float32"))
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    times: list[list[float]] = [[], []]
    for turn in range(300):
        start = perf_counter()
        networks[turn % 2].infer(image)
        times[turn % 2].append(1000 * (perf_counter() - start))
    before, after = map(median, times)
    print(
        f"\nAn image takes {before:.2f} ms without the score and {after:.2f} ms with it, which is"
    )
    print(f"of {len(own)} known images, {reference.megabytes:.1f} MB.", flush=True)


def images(folder: Path) -> tuple[pd.DataFrame, list[bytes], np.ndarray]:
    """Names, labels and groups of the archive's photographs; their files; indices of classes."""
    path = folder / "data/images.parquet"
    table = read_images(path).sort_values("name", ignore_index=True)
    files = {row["name"]: row["bytes"] for row in read_rows(path, ["name", "bytes"])}
    return table, [files[name] for name in table["name"]], pd.factorize(table["label"])[0]


def compare(
    folder: Path,
    size: int,
    seeds: int,
    strangers: Mapping[str, tuple[list[bytes], np.ndarray]],
    path: Path,
) -> bool:
    """Print the table and draw the plot for an image size; whether the bundle's score is enough."""
    timed(f"thaw use base.image_size={size}", folder)
    timed("dvc repro base", folder)
    table, files, labels = images(folder)
    own = embed(folder, files, size)
    sets = {of: embed(folder, data, size) for of, (data, _) in strangers.items()}
    is_choosing = {of: choosing for of, (_, choosing) in strangers.items()}
    rows: dict[str, list[np.ndarray]] = {}
    for seed in range(seeds):
        split = make_split(table, 0.1, 0.15, 5, seed)
        found = dict(all_scores(own, split, labels, sets))
        for name, scores in found.items():
            rows.setdefault(name, []).append(measures(scores, is_choosing))
    means = {name: np.mean(values, axis=0) for name, values in rows.items()}
    print(f"\n{size} pixels\n")
    print_table(means)
    print_cost(folder, own[: int(0.85 * len(own))], size)
    plot(path, found, is_choosing)  # of the last seed
    auroc, other, breeds = means[CHOSEN][[1, 9, 11]]
    return bool(auroc >= 98.5 and other >= 88 and breeds <= 8)


def main() -> None:
    """Compare at each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("archive", "breeds", "caltech", "weights"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--sizes", default="224,288")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path, default=Path("outputs/unknown_scores.png"))
    options = parser.parse_args()
    folder = photographs(options.archive, options.weights, "")
    timed("dvc repro ingest", folder)
    strangers = {"other": read_other(options.caltech), "breeds": read_breeds(options.breeds)}
    enough = []
    for size in map(int, options.sizes.split(",")):
        path = options.plot.with_stem(f"{options.plot.stem}_{size}")
        enough.append(compare(folder, size, options.seeds, strangers, path))
    sys.exit(not all(enough))


if __name__ == "__main__":
    main()
