"""Label the first of `thaw label`'s ranking, or images at random: which head is more accurate?

    python benchmarks/label_ranking.py ARCHIVE WEIGHTS [--seeds 10] [--start 25] [--add 50]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top at 224
pixels. Embeds the images of train and val in a clone in a temporary folder. For each seed, holds
one in five of them out, labels --start random others of each class, solves the head of
train.head_solver lbfgs, and adds labels of --add more in all: the first of the ranking by that
head, or random ones. Prints a Markdown table: mean accuracy on the images held out, and the mean
difference to random ones with its 95 % interval over the seeds (Student's t).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from clone import timed
from scipy import stats
from sweeps import photographs

from thaw.evaluate.label_ranking import rank
from thaw.features.embedded import Embedded
from thaw.features.head import DenseHead
from thaw.features.linear_head import solve
from thaw.features.stored import read_embeddings
from thaw.paths import EMBEDDINGS

FOLDS = 5  # of the labelled images, by which the strength of the head is chosen


def fit(data: Embedded, rows: np.ndarray) -> DenseHead:
    """The head by the images in these rows, int (N,)."""
    by_class = rows[np.argsort(data.labels[rows], kind="stable")]  # each in several folds
    return solve(replace(data.where(by_class), fold=np.arange(len(rows)) % FOLDS))[0]


def accuracy(head: DenseHead, data: Embedded, rows: np.ndarray) -> float:
    """The share of the images in these rows whose label is predicted."""
    predicted = head.probabilities(data.embeddings[rows]).argmax(axis=1)
    return float((predicted == data.labels[rows]).mean())


def compare(data: Embedded, seed: int, start: int, add: int) -> list[float]:
    """Accuracy with the labels of the start, with the first of the ranking, with random ones."""
    order = np.random.default_rng(seed).permutation(len(data.labels))
    held_out, rest = np.split(order, [len(order) // 5])
    is_first = np.zeros(len(rest), bool)
    for label in np.unique(data.labels):
        is_first[np.flatnonzero(data.labels[rest] == label)[:start]] = True
    first, others = rest[is_first], rest[~is_first]
    head, embeddings = fit(data, first), data.embeddings[others]
    ranked = others[rank(head.probabilities(embeddings), embeddings, add)]
    heads = [head, *(fit(data, np.append(first, more)) for more in (ranked, others[:add]))]
    return [accuracy(one, data, held_out) for one in heads]


def main() -> None:
    """Embed, compare and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    for name, default in (("seeds", 10), ("start", 25), ("add", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    folder = photographs(options.archive, options.weights, "augment.views=0")
    timed("dvc repro embed", folder)
    embeddings, rows = read_embeddings(folder / EMBEDDINGS)
    data = Embedded.of(embeddings, rows, sorted(set(rows["label"])))
    found = np.array(
        [compare(data, seed, options.start, options.add) for seed in range(options.seeds)]
    )
    difference = found[:, 1] - found[:, 2]
    error = difference.std(ddof=1) / np.sqrt(len(found))
    low, high = stats.t.interval(0.95, len(found) - 1, difference.mean(), error)
    titles = [f"{options.start} of each class", f"and {options.add} ranked"]
    titles += [f"or {options.add} random", "difference"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    means = " | ".join(f"{value:.4f}" for value in found.mean(axis=0))
    print(f"| {means} | {difference.mean():+.4f}, {low:+.4f} to {high:+.4f} |")


if __name__ == "__main__":
    main()
