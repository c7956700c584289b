"""Compare trainings that differ in nothing but their seed, and networks that do differ.

    python benchmarks/false_alarms.py ARCHIVE WEIGHTS_1.0 WEIGHTS_0.35 [--seeds 20]

ARCHIVE: a zip of photographs; the weights: ImageNet files of MobileNetV2 without its top at 224
pixels. Works in a clone in a temporary folder. Sweeps the seed of training, with Adam, on one split
and a frozen base, and compares all pairs: no difference is real, so each that is found is a false
alarm. Then compares the widths 1.0 and 0.35, of which the former is better. Prints a Markdown table
of what `thaw compare` finds. Exits 1 if a pair of seeds differs after Holm's correction, or the
widths do not.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from sweeps import compare, photographs, sweep

from thaw.experiments.paired_tests import LEVEL, UNCLEAR

SETTINGS = "train.freeze_till=all train.head_solver=adam augment.views=0 split.seed=0"


def row(what: str, found: dict[str, Any]) -> str:
    """A row of the table: how many pairs, and how many differ before and after the correction."""
    pairs = found["pairs"]
    accuracies = [setting["accuracy"] for setting in found["settings"]]
    largest = max(pairs, key=lambda pair: abs(pair["difference"]))
    cells = [
        what,
        f"{min(accuracies):.4f}–{max(accuracies):.4f}",
        f"{pairs[0]['n']}, {pairs[0]['images']}",
        len(pairs),
        sum(pair["p_value"] <= LEVEL for pair in pairs),
        sum(pair["verdict"] != UNCLEAR for pair in pairs),
        f"{abs(largest['difference']):.4f}",
        f"{min(pair['p_value'] for pair in pairs):.2g}",
        f"{min(pair['adjusted'] for pair in pairs):.2g}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Run both sweeps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("archive", "weights_wide", "weights_narrow"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    folder = photographs(options.archive, options.weights_wide, SETTINGS)
    wide = sweep(folder, f"seed={','.join(map(str, range(options.seeds)))}")
    narrow = sweep(
        folder, f"seed=0 base.alpha=0.35 base.weights={options.weights_narrow.resolve()}"
    )
    same = compare(folder, wide)
    [first] = [name for name in wide if name.startswith("seed=0-")]
    different = compare(folder, [first, *narrow])
    titles = ["what differs", "accuracy", "images", "pairs", f"p ≤ {LEVEL}", "after Holm"]
    titles += ["largest difference", "smallest p", "after Holm"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    print(row(f"{options.seeds} seeds of training, all pairs", same))
    print(row("MobileNetV2 1.0 against 0.35", different))
    false_alarm = any(pair["verdict"] != UNCLEAR for pair in same["pairs"])
    best = different["settings"][0]["experiments"]
    sys.exit(false_alarm or best != [first] or different["pairs"][0]["verdict"] == UNCLEAR)


if __name__ == "__main__":
    main()
