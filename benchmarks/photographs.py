"""Run and time the entire pipeline on real photographs, from the archive to the report.

    python benchmarks/photographs.py ARCHIVE WEIGHTS_1.0 WEIGHTS_0.35

ARCHIVE is a zip in the layout of the public cats-and-dogs archive; the weights are ImageNet files
of MobileNetV2 without its top at 224 pixels. Works in a clone in a temporary folder. Prints a
Markdown table: test accuracy with its 95 % interval, expected calibration error, wall time, and
the peak memory of all processes together.
"""

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


def main() -> None:
    """Run all configurations and print the table."""
    archive, wide, narrow = (str(Path(argument).resolve()) for argument in sys.argv[1:4])
    files = {1.0: wide, 0.35: narrow}
    folder = clone()
    print("| what | test accuracy | 95 % interval | ECE | n | seconds | peak memory, MiB |")
    print("|---|---|---|---|---|---|---|")
    for what, setup, alpha, settings in RUNS:
        weights = [f"base.weights={files[alpha]}", f"base.alpha={alpha}"] if alpha else []
        source = f"data.source={archive}"
        run(["thaw", "use", setup, source, *weights, *settings.split()], folder)
        start = time.perf_counter()
        peak = run(["dvc", "repro"], folder)
        seconds = time.perf_counter() - start
        result = json.loads((folder / "metrics/eval.json").read_text())
        print(
            f"| {what} | {result['accuracy']:.4f} "
            f"| {result['accuracy_low']:.4f}–{result['accuracy_high']:.4f} "
            f"| {result['ece']:.4f} | {result['n']} | {seconds:.0f} | {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
