"""Swap 1 % of the labels of photographs on purpose, and count how many the audit finds.

    python benchmarks/label_audit.py ARCHIVE WEIGHTS [--seeds 5]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top at 224
pixels. Works in a clone in a temporary folder. For each solver of the head and each seed, the
labels of 1 % of the training and validation images are changed before cross-validation, so that
the heads train on wrong labels. Prints a Markdown table: how many of them are among the first 3 %
of the label list, and the seconds of the stages `crossval` and `audit`; then the seconds on the
sample. Exits 1 if a solver finds less than 90 %.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from clone import clone, timed
from sweeps import photographs

from thaw.data.tables import read_classes
from thaw.evaluate.audit_lists import LABEL
from thaw.files import atomic_write
from thaw.paths import AUDIT, EMBEDDINGS, IMAGES

SETTINGS = "train.freeze_till=all train.hidden_units=[] train.dropout=0.5"
SOLVERS = ("lbfgs", "adam")
SWAPPED, FIRST = 0.01, 0.03  # of the images
LEAST = 0.9  # share of the swapped labels among the first
STAGES = ("crossval", "audit")


def swap(rows: pd.DataFrame, classes: list[str], seed: int) -> tuple[pd.DataFrame, list[str]]:
    """The rows of embeddings with wrong labels for some images, and the names of these."""
    rng = np.random.default_rng(seed)
    images = rows[rows["view"] == 0]
    chosen = rng.choice(len(images), round(SWAPPED * len(images)), replace=False)
    labels = {
        row.name: rng.choice([label for label in classes if label != row.label])
        for row in images.iloc[np.sort(chosen)][["name", "label"]].itertuples(name="Row")
    }
    wrong = rows["name"].map(labels)
    return rows.assign(label=wrong.where(wrong.notna(), rows["label"])), list(labels)


def run_stages(folder: Path) -> list[float]:
    """Run cross-validation and audit, and return the seconds of each, with Python's start."""
    return [timed(f"python stages/{stage}.py", folder) for stage in STAGES]


def found_among_first(folder: Path, names: list[str]) -> int:
    """How many of the images are among the first of the label list."""
    table = pd.read_csv(folder / AUDIT, keep_default_na=False)
    table = table[table["list"] == LABEL]
    return int(table["name"].head(round(FIRST * len(table))).isin(names).sum())


def measure(folder: Path, solver: str, seeds: int) -> float:
    """Print a row for each seed, and return the share that is found in all together."""
    timed(f"thaw use train.head_solver={solver}", folder)
    path = folder / EMBEDDINGS / "rows.csv"
    rows, classes = pd.read_csv(path, keep_default_na=False), read_classes(folder / IMAGES)
    found = total = 0
    for seed in range(seeds):
        swapped, names = swap(rows, classes, seed)
        _write(path, swapped)
        seconds = run_stages(folder)
        among = found_among_first(folder, names)
        found, total = found + among, total + len(names)
        cells = [solver, str(seed), f"{among} of {len(names)}", *(f"{s:.1f}" for s in seconds)]
        print(f"| {' | '.join(cells)} |", flush=True)
    _write(path, rows)
    print(f"| {solver} | all | {found} of {total}, {found / total:.1%} | | |", flush=True)
    return found / total


def _write(path: Path, rows: pd.DataFrame) -> None:
    with atomic_write(path) as temporary:  # another file than the one in DVC's cache
        rows.to_csv(temporary, index=False)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    folder = photographs(options.archive, options.weights, SETTINGS)
    timed("dvc repro crossval", folder)
    titles = ["head solver", "seed", "found among the first 3 %", *(f"{s}, s" for s in STAGES)]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    shares = [measure(folder, solver, options.seeds) for solver in SOLVERS]
    sample = clone()
    timed("dvc repro crossval", sample)
    seconds = [f"{spent:.1f}" for spent in run_stages(sample)]
    print(f"| adam, on the sample | | | {' | '.join(seconds)} |")
    sys.exit(min(shares) < LEAST)


if __name__ == "__main__":
    main()
