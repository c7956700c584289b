"""Run `thaw predict` on thousands of damaged images, from fixed seeds.

    python benchmarks/hostile_predict.py [COUNT] [BUNDLE]

Writes COUNT (default 10,000) mutated images into a temporary folder, most of them JPEG, PNG and
WEBP, and predicts them with BUNDLE, by default that of the last `dvc repro`. Prints the rows that
have an answer and those that have an error, seconds, and peak memory. Exits 1 unless there is a row
for each image, with an answer or an error, and the command ends as it should, without a traceback.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from clone import ROOT, environment
from hostile_images import mutated
from predict import high_water

PAUSE = 0.05  # seconds between two looks at the memory


def main() -> None:
    """Write the images, predict them, and print what was found."""
    count, bundle, *_ = [
        *sys.argv[1:],
        *("10000", str(ROOT / "models/bundle"))[len(sys.argv) - 1 :],
    ]
    folder = Path(tempfile.mkdtemp(prefix="thaw-"))
    (folder / "images").mkdir()
    for number, (_, data) in enumerate(mutated(int(count))):
        (folder / f"images/{number:05d}.jpg").write_bytes(data)
    command = [
        "thaw",
        "predict",
        "images",
        "-o",
        "out.csv",
        "--bundle",
        str(Path(bundle).resolve()),
    ]
    start, peak = perf_counter(), 0
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(ROOT), stderr=log)
        while True:
            try:
                process.wait(PAUSE)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, high_water(process.pid))
    seconds, said = perf_counter() - start, (folder / "log").read_text()
    with (folder / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    failed = sum(bool(row["error"]) for row in rows)
    answered = sum(bool(row["label"]) for row in rows)
    print(
        "| images | answered | with an error | seconds | peak memory, MB |\n|---|---|---|---|---|"
    )
    print(f"| {count} | {answered} | {failed} | {seconds:.0f} | {1.024e-3 * peak:.0f} |")
    last = said.strip().rpartition("\n")[2]  # libtiff writes a line for much of the damage
    print(f"\nexit code {process.returncode}: {last}")
    whole = len(rows) == int(count) == answered + failed and process.returncode == bool(failed)
    sys.exit(0 if whole and "Traceback" not in said else 1)


if __name__ == "__main__":
    main()
