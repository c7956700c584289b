"""Measure what dropping images that show no class, or several, changes on the other images.

    python benchmarks/relabelling.py ARCHIVE WEIGHTS [--seeds 0,1,2] [--relabel FILE]

ARCHIVE: a zip of photographs of cats and dogs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 with
no top. benchmarks/relabel.csv is what looking through the page of the audit gave for the Asirra
photographs: ten images that show neither animal, a drawing, or both. For each seed of the split the
setup `photographs` runs in a clone up to `crossval`, with and without `data.relabel`. Prints the
out-of-fold accuracy of both on the images that both have, the difference with its bootstrap
interval, and the p-value of the paired test (thaw.experiments.statistics), all seeds together.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from clone import clone, timed

from thaw.experiments.statistics import bootstrap_interval, exact_p_value


def out_of_fold(folder: Path) -> pd.Series:
    """Whether each prediction is right, by name."""
    timed("dvc repro crossval", folder)
    table = pd.read_csv(folder / "outputs/out_of_fold.csv", keep_default_na=False)
    return (table["predicted"] == table["label"]).set_axis(table["name"])


def main() -> None:
    """Run all seeds and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("archive", "weights"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--relabel", type=Path, default=Path(__file__).with_name("relabel.csv"))
    options = parser.parse_args()
    folder, pairs = clone(), []
    files = f"data.source={options.archive.resolve()} base.weights={options.weights.resolve()}"
    timed(f"thaw use photographs {files}", folder)
    for seed in options.seeds.split(","):
        timed(f"thaw use split.seed={seed} data.relabel=null", folder)
        before = out_of_fold(folder)
        timed(f"thaw use data.relabel={options.relabel.resolve()}", folder)
        pairs.append(pd.concat([before, out_of_fold(folder)], axis=1, join="inner"))
        left = len(before) - len(pairs[-1])
        print(
            f"split {seed}: {len(pairs[-1])} images in both, {left} in the first only", flush=True
        )
    by_image = pd.concat(pairs).groupby(level=0).agg(["sum", "size"])
    before, answers, after, _ = by_image.to_numpy().T.astype(np.int64)
    difference, total = after - before, answers.sum()
    low, high = bootstrap_interval(difference, answers)
    print(f"as found {before.sum() / total:.4f}, relabelled {after.sum() / total:.4f}")
    print(f"difference {difference.sum() / total:+.4f} ({low:+.4f} to {high:+.4f}), ", end="")
    print(f"p = {exact_p_value(difference):.3f}, {len(by_image)} images")


if __name__ == "__main__":
    main()
