"""Kill `thaw sweep` at random moments, start it again, and compare with an undisturbed sweep.

    python benchmarks/sweep_kills.py [--kills 10] [--seed 0] [--jobs 1]

Runs the sample in a clone in a temporary folder, and a sweep of 12 points in it. In a copy of the
clone from before the sweep, sweep after sweep is killed (SIGKILL, to it and all that it started),
each some time after its start that is drawn from the seed; then one may finish. Prints a Markdown
table of the kills, and what differs. Exits 1 if anything differs or is left over.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from experiments import baseline
from kills import PAUSE, Program, git_status

from thaw.errors import listing

GRID = ("train.freeze_till=all,140", "train.head_epochs=1,2", "evaluate.bins=5,10,15")
POINTS = 12
RECORDED = ("params.yaml", "metrics/eval.json", "metrics/details.json", "dvc.lock")

Experiments = dict[str, list[str]]  # name → texts of RECORDED


def git(folder: Path, *words: str) -> str:
    """What a Git command prints."""
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def experiments(folder: Path) -> Experiments:
    """All experiments of a repository."""
    refs = git(folder, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref: [git(folder, "show", f"{ref}:{path}") for path in RECORDED] for ref in refs}


def run_killed(folder: Path, command: tuple[str, ...], seconds: float) -> str:
    """Start a sweep and kill it; cells of the table."""
    program = Program(folder, *command)
    while program.runs() and program.seconds() < seconds:
        time.sleep(PAUSE)
    killed = program.kill()
    if not killed:
        return f"it had ended; {program.error()}"
    left, done = program.survivors(), len(experiments(folder))
    return f"{len(killed)} processes killed, {len(left)} left, {done} points done"


def finish(folder: Path, command: tuple[str, ...]) -> float:
    """Let a sweep finish; its seconds."""
    program = Program(folder, *command)
    if error := program.error():
        sys.exit(f"the sweep failed: {error}")
    return program.seconds()


def compare(calm: Path, killed: Path) -> dict[str, list[str]]:
    """What differs between the repositories, and what is left over."""
    expected, found = experiments(calm), experiments(killed)
    params = [json.dumps(texts[0]) for texts in found.values()]
    left: list[Any] = [*(killed / ".thaw/sweep/runs").iterdir()]
    return {
        f"points other than {POINTS}": [] if len(found) == POINTS else [str(len(found))],
        "missing": sorted(expected.keys() - found.keys()),
        "doubled": sorted({one for one in params if params.count(one) > 1}),
        f"{', '.join(RECORDED)} of a point": [
            name for name in expected if expected[name] != found.get(name)
        ],
        "git status --porcelain": sorted(git_status(calm) ^ git_status(killed)),
        "copies left over": sorted(map(str, left)),
    }


def main() -> None:
    """Run both sweeps and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default="1")
    options = parser.parse_args()
    command, rng = ("thaw", "sweep", *GRID, "--jobs", options.jobs), random.Random(options.seed)
    calm = baseline()
    killed = calm.parent / "killed" / "thaw"
    shutil.copytree(calm, killed, symlinks=True)
    seconds = finish(calm, command)
    print(f"undisturbed: {seconds:.0f} s\n\n| kill | second | outcome |\n|---|---|---|", flush=True)
    for number in range(options.kills):
        second = rng.uniform(0, 2 * seconds / options.kills)
        outcome = run_killed(killed, command, second)
        print(f"| {number + 1} | {second:.1f} | {outcome} |", flush=True)
    print(f"\nthe last, which finished: {finish(killed, command):.0f} s")
    differences = compare(calm, killed)
    print("\n| against the undisturbed sweep | differences |\n|---|---|")
    for what, names in differences.items():
        print(f"| {what} | {listing(names)} |")
    sys.exit(any(differences.values()))


if __name__ == "__main__":
    main()
