"""Run and time the entire pipeline on real photographs, from the archive to the report.

    python benchmarks/photographs.py ARCHIVE WEIGHTS_1.0 WEIGHTS_0.35 [--against REVISION]

ARCHIVE is a zip in the layout of the public cats-and-dogs archive; the weights are ImageNet files
of MobileNetV2 without its top at 224 pixels. Works in a clone in a temporary folder. Prints a
Markdown table: test accuracy with its 95 % interval, expected calibration error, wall time, and
the peak memory of all processes together. With --against, each row also runs in a clone of that
revision, right after, and the table has its accuracy and seconds, and the ratio of the seconds.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from clone import clone, environment

LINEAR = "train.hidden_units=[] train.dropout=0.5 augment.views=3 export.tta_flip=true"
RUNS = [  # what, setup, width, further settings; the first run has an empty cache
    ("MobileNetV2 1.0, frozen", "mobilenetv2", 1.0, f"train.freeze_till=all {LINEAR}"),
    ("MobileNetV2 0.35, frozen", "mobilenetv2", 0.35, f"train.freeze_till=all {LINEAR}"),
    (
        "MobileNetV2 0.35, last blocks trained",
        "mobilenetv2",
        0.35,
        "train.freeze_till=116 train.head_epochs=6 train.fine_tune_epochs=5 "
        "train.fine_tune_learning_rate=0.00003 " + LINEAR,
    ),
    ("setup `mobilenetv2` as it is", "mobilenetv2", 1.0, ""),
    ("setup `photographs` as it is", "photographs", 1.0, ""),
    ("setup `vgg16`, random weights", "vgg16", None, "base.weights=none"),
]


def run(command: list[str], folder: Path) -> float:
    """Run a command in `folder`, append its output to the log, and return peak memory in MiB."""
    with (folder.parent / "benchmark.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=log, stderr=log
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory_below(process.pid))
            time.sleep(0.2)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed: see {log.name}")
    return peak / 1024


def memory_below(parent: int) -> int:
    """Sum of the resident memory of `parent` and its descendants, in KiB."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    )
    rows = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
    family, total = {parent}, 0
    for _ in range(8):  # deeper than any process tree here
        family |= {pid for pid, above, _ in rows if above in family}
    for pid, _, resident in rows:
        total += resident if pid in family else 0
    return total


def measure(folder: Path, settings: list[str]) -> tuple[dict[str, float], float, float]:
    """Run the pipeline with a setup and params: its metrics, seconds, and peak memory in MiB."""
    run(["thaw", "use", *settings], folder)
    start = time.perf_counter()
    peak = run(["dvc", "repro"], folder)
    seconds = time.perf_counter() - start
    return json.loads((folder / "metrics/eval.json").read_text()), seconds, peak


def main() -> None:
    """Run all configurations and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("archive", "weights_wide", "weights_narrow"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--against", metavar="REVISION")
    options = parser.parse_args()
    files = {1.0: options.weights_wide.resolve(), 0.35: options.weights_narrow.resolve()}
    folder, before = clone(), options.against and clone(options.against)
    titles = ["what", "test accuracy", "95 % interval", "ECE", "n", "seconds", "peak memory, MiB"]
    titles += [f"accuracy, {options.against}", "seconds", "ratio"] if before else []
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for what, setup, alpha, more in RUNS:
        weights = [f"base.weights={files[alpha]}", f"base.alpha={alpha}"] if alpha else []
        settings = [setup, f"data.source={options.archive.resolve()}", *weights, *more.split()]
        found, seconds, peak = measure(folder, settings)
        cells = [what, f"{found['accuracy']:.4f}"]
        cells += [f"{found['accuracy_low']:.4f}–{found['accuracy_high']:.4f}"]
        cells += [f"{found['ece']:.4f}", f"{found['n']}", f"{seconds:.0f}", f"{peak:.0f}"]
        if before:
            old, old_seconds, _ = measure(before, settings)
            cells += [f"{old['accuracy']:.4f}", f"{old_seconds:.0f}"]
            cells += [f"{seconds / old_seconds:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
