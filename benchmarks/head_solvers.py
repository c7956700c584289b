"""Compare the head that is solved (lbfgs) with the one that Adam trains, on a frozen base.

    python benchmarks/head_solvers.py ARCHIVE WEIGHTS [--seeds 5] [--rounds 3]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top at 224
pixels. Works in a clone in a temporary folder. Sweeps the solver and the seed of the split; that of
training is the same in all. Prints two Markdown tables: out-of-fold accuracy for each split and for
all together, with the paired difference that `thaw compare` finds, lbfgs minus Adam, and its 95 %
interval; and the seconds of the stages `crossval` (five heads) and `train` with either solver,
which alternate: medians of so many rounds, with Python's start. Exits 1 if the pooled interval is
below 0 entirely.
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

from clone import timed
from sweeps import compare, photographs, sweep

SETTINGS = "train.freeze_till=all train.hidden_units=[] train.dropout=0.5"
SOLVERS = ("lbfgs", "adam")
STAGES = ("crossval", "train")


def is_of(name: str, seed: int | str, solver: str) -> bool:
    """Whether an experiment of the sweep is of this seed and solver."""
    return name.startswith(f"seed={seed},head_solver={solver}-")


def cells(found: dict[str, Any]) -> list[str]:
    """Accuracy of each solver, and the difference, lbfgs minus Adam, with its interval."""
    settings, [pair] = found["settings"], found["pairs"]
    solvers = [setting["params"]["train.head_solver"] for setting in settings]
    accuracy = [f"{settings[solvers.index(solver)]['accuracy']:.4f}" for solver in SOLVERS]
    values = [pair[key] for key in ("difference", "low", "high")]
    if solvers[0] != SOLVERS[0]:
        values = [-values[0], -values[2], -values[1]]
    return [
        *accuracy,
        f"{values[0]:+.4f}",
        f"{values[1]:+.4f} to {values[2]:+.4f}",
        f"{pair['p_value']:.2g}",
        f"{pair['n']}, {pair['images']}",
    ]


def seconds(folder: Path, experiments: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each stage with each solver, by stage and solver, in alternating rounds."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for solver, name in experiments.items():
            timed(f"dvc exp apply {name}", folder)
            for stage in STAGES:
                spent = timed(f"env PYTHONHASHSEED=0 python stages/{stage}.py", folder)
                times.setdefault(f"{stage} {solver}", []).append(spent)
    return times


def main() -> None:
    """Run the sweep and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = photographs(options.archive, options.weights, SETTINGS)
    seeds = range(options.seeds)
    words = [f"split.seed={','.join(map(str, seeds))}", f"train.head_solver={','.join(SOLVERS)}"]
    names = sweep(folder, " ".join(words))
    titles = ["seed of the split", *SOLVERS, "difference", "95 % interval", "p", "images"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for seed in seeds:
        pair = [name for name in names for solver in SOLVERS if is_of(name, seed, solver)]
        print(f"| {seed} | {' | '.join(cells(compare(folder, pair)))} |", flush=True)
    pooled = compare(folder, names)
    print(f"| all | {' | '.join(cells(pooled))} |", flush=True)
    first = {solver: name for name in names for solver in SOLVERS if is_of(name, 0, solver)}
    print("\n| stage and solver | seconds, median | from | to |\n|---|---|---|---|")
    for what, found in seconds(folder, first, options.rounds).items():
        print(f"| {what} | {median(found):.1f} | {min(found):.1f} | {max(found):.1f} |")
    [pair] = pooled["pairs"]
    is_solved_first = pooled["settings"][0]["params"]["train.head_solver"] == SOLVERS[0]
    sys.exit((pair["high"] if is_solved_first else -pair["low"]) < 0)


if __name__ == "__main__":
    main()
