"""How long the sample takes: the whole pipeline, nothing changed, and an experiment at each depth.

    python benchmarks/experiments.py [ROUNDS]

Works in a clone in a temporary folder. Each of the ROUNDS, 3 unless told, runs everything once, in
turn, and nothing finds its own result in the cache. Prints a Markdown table of medians and ranges,
in seconds.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from clone import clone

COMMANDS = ["dvc repro --force", "dvc repro"] + [
    f"dvc exp run -S train.freeze_till={depth}" for depth in ("all", 140, 100, 60, 0)
]


def timed(command: str, folder: Path) -> float:
    """Seconds that a command takes in `folder`; its output goes to the log."""
    with (folder / "logs/benchmark.log").open("a") as log:
        start = time.perf_counter()
        done = subprocess.run(command.split(), cwd=folder, stdout=log, stderr=log, check=False)
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command} failed: see {log.name}")
    return seconds


def main() -> None:
    """Run every command in turn, ROUNDS times, and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = clone()
    (folder / "logs").mkdir()
    times: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for _ in range(rounds):
        for command in COMMANDS:
            shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)
            times[command].append(timed(command, folder))
            print(f"{times[command][-1]:7.1f} {command}", file=sys.stderr, flush=True)
            timed("git checkout -q .", folder)  # an experiment leaves its params and results
            timed("dvc checkout -q --force", folder)
            timed("dvc exp remove -q --all-commits", folder)
    print("| what | seconds, median | from | to |")
    print("|---|---|---|---|")
    for command, found in times.items():
        values = (f"{value:.1f}" for value in (median(found), min(found), max(found)))
        print(f"| `{command}` | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
