"""Kill `dvc repro` at random moments, let it finish, and compare with an undisturbed run.

    python benchmarks/kills.py [--kills 20] [--seed 0]

Runs the sample in two clones in a temporary folder, both without results. In the second, run after
run is killed (SIGKILL, to DVC and all that it started): one in each stage, the others at any moment
of the undisturbed run, drawn from the seed, in order. Then a run may finish. Prints a Markdown
table of the kills, and what differs. Exits 1 if anything differs or is left over, or if DVC refused
to start again.
"""

import argparse
import atexit
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from clone import clone, environment, timed

from thaw.errors import listing

REPRO = ("dvc", "repro")
START = "DVC's start"  # the time before the first stage
PAUSE = 0.01  # seconds between two looks
MAX_TRIES = 5  # of one kill
SECONDS_TO_DIE = 5.0
NOT_COMPARED = {".git", "logs", "__pycache__"}  # logs hold times
# Hold numbers of processes; DVC heeds only those that live.
LOCKS = (".dvc/tmp/lock", ".dvc/tmp/rwlock", ".dvc/tmp/rwlock.lock")

Moment = tuple[str, float]  # a stage, and seconds


class Program:
    """A program in a process group of its own. Its temporary files go to ../temporary."""

    def __init__(self, folder: Path, *command: str) -> None:
        self._folder, self._log = folder, folder.parent / "program.log"
        temporary = folder.parent / "temporary"
        temporary.mkdir(exist_ok=True)
        self._started = time.perf_counter()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(folder) | {"TMPDIR": str(temporary)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        atexit.register(self.kill)  # so that an interrupted benchmark leaves nothing running

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def seconds(self) -> float:
        """Seconds since its start."""
        return time.perf_counter() - self._started

    def stage(self) -> str:
        """The last stage that it started."""
        output = self._log.read_text(encoding="utf-8", errors="replace")
        return [START, *re.findall(r"Running stage '(\w+)'", output)][-1]

    def error(self) -> str:
        """Wait for its end; the end of what it printed, in a line, if it failed."""
        failed = self._process.wait() not in (0, -signal.SIGKILL)
        output = self._log.read_text(encoding="utf-8", errors="replace")
        return " ".join(output.split())[-200:] if failed else ""

    def kill(self) -> list[str]:
        """Kill the process group; command lines of what ran, none if it had ended."""
        if not self.runs():
            return []
        found = self.processes()
        os.killpg(self._process.pid, signal.SIGKILL)
        return found if self._process.wait() == -signal.SIGKILL else []

    def processes(self) -> list[str]:
        """Command lines of the living processes of its group, or that name its folder."""
        listing = subprocess.run(
            ["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
        group, folder = str(self._process.pid), str(self._folder)
        return [
            args
            for pgid, state, args in rows
            if state[0] != "Z" and (pgid == group or folder in args)
        ]

    def survivors(self) -> list[str]:
        """The processes that live on after a kill, which takes a moment."""
        end = time.perf_counter() + SECONDS_TO_DIE
        while (found := self.processes()) and time.perf_counter() < end:
            time.sleep(PAUSE)
        return found


@dataclass(frozen=True)
class Kill:
    """A kill. refusal: what DVC said when it did not start before a repair."""

    second: float
    where: str
    killed: list[str]  # command lines, as the next
    left: list[str]
    refusal: str = ""

    def row(self) -> str:
        """Cells of the table."""
        outcome = f"{len(self.killed)} processes killed, {len(self.left)} left"
        refusal = f"; before, DVC refused to start: {self.refusal}" if self.refusal else ""
        return f"{self.second:.1f} | {self.where} | {outcome}{refusal}"


def new_clone() -> Path:
    """A clone without results, so that every stage runs."""
    folder = clone()
    (folder / "dvc.lock").unlink()
    return folder


def undisturbed(folder: Path) -> list[Moment]:
    """Run to the end; each stage, and the second when it started; last, the end."""
    repro = Program(folder, *REPRO)
    timeline = [(START, 0.0)]
    while repro.runs():
        if (stage := repro.stage()) != timeline[-1][0]:
            timeline.append((stage, repro.seconds()))
        time.sleep(PAUSE)
    if error := repro.error():
        sys.exit(f"the undisturbed run failed: {error}")
    return [*timeline, ("end", repro.seconds())]


def draw_moments(timeline: list[Moment], kills: int, rng: random.Random) -> list[Moment]:
    """Stages, and seconds after their start, in order.

    One is in the first half of each stage, so that most are hit on a machine that is busier at one
    time than at another; the others are anywhere.
    """
    spans = [(stage, start, end) for (stage, start), (_, end) in pairwise(timeline)]
    times = [rng.uniform(start, (start + end) / 2) for _, start, end in spans]
    times += [rng.uniform(0, timeline[-1][1]) for _ in range(kills - len(spans))]
    return [
        (stage, second - start)
        for second in sorted(times[:kills])
        for stage, start, end in spans
        if start <= second < end
    ]


def wait(repro: Program, moment: Moment, order: list[str]) -> None:
    """Wait until a number of seconds after the start of a stage, or of a later one if it is done.

    A stage that ends sooner than before ends the wait.
    """
    stage, offset = moment
    first, since = "", 0.0
    while repro.runs():
        current = repro.stage()
        if not first and order.index(current) >= order.index(stage):
            first, since = current, repro.seconds()
        if first and (current != first or repro.seconds() >= since + offset):
            return
        time.sleep(PAUSE)


def kill(folder: Path, moment: Moment, order: list[str]) -> Kill:
    """Start a run and kill it at a moment.

    If DVC refuses to start, repair the clone; if the run ends first, forget its results; try again.
    """
    refusal = ""
    for _ in range(MAX_TRIES):
        repro = Program(folder, *REPRO)
        wait(repro, moment, order)
        second = repro.seconds()
        if killed := repro.kill():
            stage = repro.stage()
            is_running = stage == START or any(f"stages/{stage}.py" in args for args in killed)
            where = stage if is_running else f"{stage}, in DVC after it"
            return Kill(second, where, killed, repro.survivors(), refusal)
        if refusal := repro.error():
            repair(folder)
        else:
            forget(folder)
    sys.exit(f"no run could be killed at {moment}: {refusal or 'all ended first'}")


def repair(folder: Path) -> None:
    """Put back what a kill may cut off: dvc.lock and DVC's rwlock."""
    timed("git checkout -q dvc.lock", folder)
    (folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Let every stage run again."""
    (folder / "dvc.lock").unlink()
    shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)


def finish(folder: Path) -> str:
    """Let a run finish; what DVC said if it refused to start before a repair."""
    if refusal := Program(folder, *REPRO).error():
        repair(folder)
        timed("dvc repro", folder)
    return refusal


def contents(folder: Path) -> dict[str, str]:
    """Each path below `folder`, with the SHA-256 of a file."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if not NOT_COMPARED & set(name.parts):
            is_compared = path.is_file() and str(name) not in LOCKS
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest() if is_compared else ""
    return found


def git_status(folder: Path) -> set[str]:
    """The lines of `git status --porcelain`."""
    command = ["git", "status", "--porcelain"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def compare(calm: Path, killed: Path) -> dict[str, list[str]]:
    """What differs between the clones, and what is left over."""
    expected, found = contents(calm), contents(killed)
    differing = [name for name in expected if expected[name] != found.get(name)]
    shown = ("metrics", "plots", "dvc.lock")
    temporary = (killed.parent / "temporary").rglob("*")
    return {
        "dvc.lock, metrics/, plots/": [name for name in differing if name.startswith(shown)],
        "other files, DVC's cache too": [name for name in differing if not name.startswith(shown)],
        "git status --porcelain": sorted(git_status(calm) ^ git_status(killed)),
        "left over in the clone": sorted(found.keys() - expected.keys()),
        # Python's fork server also leaves a folder with a socket.
        "left over in TMPDIR": sorted(str(path) for path in temporary if path.is_file()),
    }


def main() -> None:
    """Run both clones and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    calm, killed = new_clone(), new_clone()
    timeline = undisturbed(calm)
    order = [stage for stage, _ in timeline[:-1]]
    print("| kill | second | in | outcome |\n|---|---|---|---|", flush=True)
    kills = []
    for moment in draw_moments(timeline, options.kills, random.Random(options.seed)):
        kills.append(kill(killed, moment, order))
        print(f"| {len(kills)} | {kills[-1].row()} |", flush=True)
    hit = {found.where.split(",")[0] for found in kills}
    print(
        f"\nstages in which no kill fell: {listing(stage for stage in order if stage not in hit)}"
    )
    refusals = [*(found.refusal for found in kills), finish(killed)]
    differences = compare(calm, killed) | {
        "processes left": [args for found in kills for args in found.left],
        "DVC refused to start": [refusal for refusal in refusals if refusal],
    }
    print("\n| against the undisturbed run | differences |\n|---|---|")
    for what, names in differences.items():
        print(f"| {what} | {listing(names)} |")
    sys.exit(any(differences.values()))


if __name__ == "__main__":
    main()
