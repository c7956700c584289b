"""Measure what each trick of training saves of an experiment, on the sample.

    python benchmarks/tricks.py [ROUNDS]

A trick is code that exists only for speed. It stays only if it saves 5 % or more of an uncached
`dvc exp run -S train.freeze_till=DEPTH`. Works in a clone in a temporary folder. At each depth it
times one experiment; then, ROUNDS times (default 3), the train stage with all tricks and without
each one in turn. Prints a Markdown table.
"""

import sys
from pathlib import Path
from statistics import median

from clone import clone, timed

DEPTHS = (0, 117)
TRICKS: dict[str, tuple[str, dict[str, str]]] = {  # name: file, code with the trick: without
    "Adam's step as one operation": (
        "src/thaw/model/train.py",
        {" Adam(learning_rate, weight": " keras.optimizers.Adam(learning_rate, weight"},
    ),
    "BatchNorm fused into convolutions": (
        "src/thaw/model/network.py",
        {"fuse_bn(tail_of(base, cut))": "tail_of(base, cut)"},
    ),
    "imports out of collection": (
        "stages/train.py",
        {"gc.disable()": "", "    gc.freeze()\n    gc.enable()\n": ""},
    ),
}


def train(folder: Path) -> float:
    """Seconds of the train stage, as dvc.yaml runs it."""
    return timed("env PYTHONHASHSEED=0 python stages/train.py", folder)


def without(trick: tuple[str, dict[str, str]], folder: Path) -> float:
    """Seconds of the train stage without a trick."""
    name, replacements = trick
    path = folder / name
    source = changed = path.read_text(encoding="utf-8")
    for code, plain in replacements.items():
        if code not in source:
            sys.exit(f"{name} no longer holds {code!r}: correct TRICKS")
        changed = changed.replace(code, plain)
    path.write_text(changed, encoding="utf-8")
    try:
        return train(folder)
    finally:
        path.write_text(source, encoding="utf-8")


def main() -> None:
    """Time every trick at every depth and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = clone()
    timed("dvc repro", folder)
    print("| trick | freeze_till | experiment, s | train with, s | without, s | saves |")
    print("|---|---|---|---|---|---|")
    for depth in DEPTHS:
        timed(f"thaw use sample train.freeze_till={depth}", folder)
        experiment = timed("dvc repro --force --downstream features", folder)
        times: dict[str, list[float]] = {name: [] for name in ("", *TRICKS)}
        for _ in range(rounds):
            times[""].append(train(folder))
            for name, trick in TRICKS.items():
                times[name].append(without(trick, folder))
        present = median(times[""])
        for name in TRICKS:
            plain = median(times[name])
            share = (plain - present) / experiment
            cells = (name, depth, f"{experiment:.1f}", f"{present:.1f}", f"{plain:.1f}")
            print(f"| {' | '.join(map(str, cells))} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
