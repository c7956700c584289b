"""Kill `thaw predict` at random moments, go on with --resume, and compare with a calm run.

    python benchmarks/predict_kills.py FOLDER [--kills 10] [--seed 0] [--bundle models/bundle]

FOLDER: images. Each kill (SIGKILL, to the process and all that it started) comes some time after
the start that is drawn from the seed. Prints a Markdown table, and whether the outputs are equal
byte for byte. Exits 1 if not, or if anything is left over.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from clone import ROOT
from kills import PAUSE, Program


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/bundle")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="thaw-")) / "predict"
    (place / "src").parent.mkdir()
    (place / "src").symlink_to(ROOT / "src")
    command = ["thaw", "predict", str(options.folder.resolve())]
    command += ["--bundle", str(options.bundle.resolve()), "--resume", "-o"]
    calm = Program(place, *command, "calm.csv")
    calm.error()
    span, rng, kills = calm.seconds(), random.Random(options.seed), 0
    print(f"a calm run takes {span:.1f} s\n\n| killed after, s | rows then |\n|---|---|")
    while kills < options.kills:
        wait = rng.uniform(0.2, span / 5)
        program = Program(place, *command, "killed.csv")
        while program.runs() and program.seconds() < wait:
            time.sleep(PAUSE)
        if not program.kill():
            break
        kills += 1
        partial = place / "killed.csv.partial"
        rows = len(partial.read_bytes().splitlines()) - 1 if partial.exists() else 0
        print(f"| {wait:.1f} | {max(0, rows):,} |", flush=True)
    Program(place, *command, "killed.csv").error()
    same = (place / "calm.csv").read_bytes() == (place / "killed.csv").read_bytes()
    left = sorted(path.name for path in place.iterdir())
    print(f"\n{kills} kills; same bytes: {same}; in the folder: {', '.join(left)}")
    sys.exit(0 if same and left == ["calm.csv", "killed.csv", "src"] else 1)


if __name__ == "__main__":
    main()
