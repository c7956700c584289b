"""Time the sample: the entire pipeline, a repro with no changes, and experiments: depths, dropout.

    python benchmarks/experiments.py [--rounds N] [--depths all,140,0] [--against REVISION]

Works in a clone in a temporary folder. Each round (default 3) runs every command once, without its
own result in the cache. Prints a Markdown table of medians and ranges, in seconds. With --against,
each command also runs in a clone of that revision, right after, and the table has the ratio of the
medians.
"""

import argparse
import shutil
import sys
from pathlib import Path
from statistics import median

from clone import clone, timed

COMMIT = "git -c user.name=benchmark -c user.email=benchmark commit -qam baseline --allow-empty"


def baseline(revision: str = "HEAD") -> Path:
    """Clone a revision, run its pipeline, and commit the results of this machine."""
    folder = clone(revision)
    timed("dvc repro", folder)
    timed(COMMIT, folder)
    return folder


def run(command: str, folder: Path) -> float:
    """Run a command in a clone, restore the clone, and return the command's seconds."""
    shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)
    seconds = timed(command, folder)
    timed("git checkout -q .", folder)  # an experiment leaves its params and results
    timed("dvc checkout -q --force", folder)
    timed("dvc exp remove -q --all-commits", folder)
    return seconds


def main() -> None:
    """Run all commands and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--depths", default="all,140,100,60,0")
    parser.add_argument("--against", metavar="REVISION")
    options = parser.parse_args()
    folders = [baseline(), *([baseline(options.against)] if options.against else [])]
    commands = ["dvc repro --force", "dvc repro"]
    commands += [f"dvc exp run -S train.freeze_till={n}" for n in options.depths.split(",")]
    commands.append("dvc exp run -S train.dropout=0.35")
    times: dict[str, list[list[float]]] = {command: [[] for _ in folders] for command in commands}
    for _ in range(options.rounds):
        for command in commands:
            for found, folder in zip(times[command], folders, strict=True):
                found.append(run(command, folder))
                print(f"{found[-1]:7.1f} {command}", file=sys.stderr, flush=True)
    titles = ["what", "seconds, median", "from", "to"]
    titles += [f"{options.against}, median", "ratio"] if options.against else []
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for command, (now, *before) in times.items():
        values = [f"{value:.1f}" for value in (median(now), min(now), max(now))]
        for old in before:
            values += [f"{median(old):.1f}", f"{median(now) / median(old):.2f}"]
        print(f"| `{command}` | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
