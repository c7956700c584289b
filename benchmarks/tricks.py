"""Measure what each trick of training saves of an experiment, on the sample.

    python benchmarks/tricks.py [ROUNDS]

A trick is code that exists only for speed. It stays only if it saves 5 % or more of an uncached
`dvc exp run -S train.freeze_till=DEPTH`. Works in a clone in a temporary folder. At each depth it
times one experiment; then, ROUNDS times (default 3), its stages with all tricks and without each
one in turn. Prints a Markdown table.
"""

import sys
from pathlib import Path
from statistics import median

from clone import clone, timed

DEPTHS = (0, 117)
STAGES = ("features", "train", "export", "evaluate", "explain", "report")
TRICKS: dict[str, tuple[str, dict[str, str]]] = {  # name: files, code with the trick: without
    "Adam's step as one operation": (
        "src/thaw/model/train.py",
        {" Adam(learning_rate, weight": " keras.optimizers.Adam(learning_rate, weight"},
    ),
    "BatchNorm fused into convolutions": (
        "src/thaw/model/network.py",
        {"fuse_bn(tail_of(base, cut))": "tail_of(base, cut)"},
    ),
    "imports out of collection": (
        "s*/**/*.py",  # of stages and src
        {"\ngc.disable()": "\n", "    gc.freeze()\n    gc.enable()\n": ""},
    ),
    "leaving at once": ("stages/train.py", {"    leave()\n": ""}),
}


def run(folder: Path) -> float:
    """Seconds of the stages of an experiment, as dvc.yaml runs them, without DVC's own."""
    return sum(timed(f"env PYTHONHASHSEED=0 python stages/{name}.py", folder) for name in STAGES)


def without(trick: tuple[str, dict[str, str]], folder: Path) -> float:
    """Seconds of the stages without a trick."""
    pattern, replacements = trick
    sources = {path: path.read_text(encoding="utf-8") for path in folder.glob(pattern)}
    sources = {p: text for p, text in sources.items() if any(code in text for code in replacements)}
    for code in replacements:
        if not any(code in text for text in sources.values()):
            sys.exit(f"{pattern} no longer holds {code!r}: correct TRICKS")
    for path, changed in sources.items():
        for code, plain in replacements.items():
            changed = changed.replace(code, plain)
        path.write_text(changed, encoding="utf-8")
    try:
        return run(folder)
    finally:
        for path, source in sources.items():
            path.write_text(source, encoding="utf-8")


def main() -> None:
    """Time every trick at every depth and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = clone()
    timed("dvc repro", folder)
    print("| trick | freeze_till | experiment, s | stages with, s | without, s | saves |")
    print("|---|---|---|---|---|---|")
    for depth in DEPTHS:
        timed(f"thaw use sample train.freeze_till={depth}", folder)
        experiment = timed("dvc repro --force --downstream features", folder)
        times: dict[str, list[float]] = {name: [] for name in ("", *TRICKS)}
        for _ in range(rounds):
            times[""].append(run(folder))
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
