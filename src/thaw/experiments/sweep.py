"""Run the points of a grid as experiments: what is done, what it will take, and running it."""

import fcntl
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dvc.repo import Repo

from thaw.errors import ThawError
from thaw.experiments.checkout import Checkout, describe_inputs
from thaw.experiments.disk import predictor
from thaw.experiments.git import list_experiments, read_file, snapshot
from thaw.experiments.grid import Grid, Point, list_points
from thaw.experiments.pipeline import Pipeline, StageKeys, lookup
from thaw.files import damage_explained
from thaw.params import parse_yaml
from thaw.paths import LOCK, SWEEP, SWEEP_LOGS, SWEEP_RUNS, SWEEP_SHARED

PARAMS = Path("params.yaml")
PAUSE = 0.05  # seconds between two looks at what runs


@dataclass(frozen=True)
class Plan:
    """The points of a grid, and what is known before any runs."""

    points: list[Point]
    done: set[str]  # names of the points whose experiment exists
    snapshot: tuple[str, str]  # the commit from which all start, and the tree of files as they are
    before: dict[str, Any]  # params of the snapshot
    keys: dict[str, StageKeys]  # of each point, by name
    made: set[str]  # keys of the stages whose outs are in the cache
    disk: int  # bytes that the points to run will add to the cache, about

    @property
    def todo(self) -> list[Point]:
        """The points to run, those with common work together."""
        return [point for point in self.points if point.name not in self.done]

    def check_disk(self, free: int) -> None:
        """Raise ThawError if the new outputs need more than so many bytes."""
        if self.disk > free:
            raise ThawError(
                "the new outputs of a sweep must fit on the disk, but need "
                f"{self.disk / 1e6:,.0f} MB: free some with `thaw sweep --clean`, or sweep fewer "
                "points at a time"
            )


@dataclass(frozen=True)
class Outcome:
    """What became of a point. error: the end of its log, if it failed."""

    point: Point
    error: str | None
    log: Path


@contextmanager
def only_sweep() -> Iterator[None]:
    """Be the only sweep in this repository. ThawError if there is another."""
    SWEEP.mkdir(parents=True, exist_ok=True)
    with (SWEEP / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ThawError(
                "a repository must run one sweep at a time, but another runs here: wait for its "
                "end, or give that one more --jobs"
            ) from None
        shutil.rmtree(SWEEP_RUNS, ignore_errors=True)  # of a killed sweep
        yield


def make_plan(grid: Grid) -> Plan:
    """List the points and what is done. ThawError, with a line for each mistake, if any is invalid.

    All points start from the last commit with the tracked files as they are now, as `dvc exp run`
    does; untracked code is not seen.
    """
    root = Path.cwd()
    start = snapshot(root)
    before = read_params(root, start[1])
    pipeline = Pipeline(root)
    points = list_points(grid, before, pipeline.rank, describe_inputs(root, start[1]))
    done = list_experiments(root, start[0]) & {point.name for point in points}
    keys = {point.name: pipeline.keys(lookup(point.params)) for point in points}
    lock = yaml.load(read_file(root, start[1], LOCK) or "{}", yaml.CSafeLoader)
    made = set(_cached_keys(pipeline, lock)).union(*(keys[name].values() for name in done))
    new = {
        (stage, key): point.params
        for point in points
        if point.name not in done
        for stage, key in keys[point.name].items()
        if key not in made
    }
    predict = predictor(lock, before)
    disk = sum(predict(stage, params) for (stage, _), params in new.items())
    return Plan(points, done, start, before, keys, made, disk)


def read_params(root: Path, revision: str) -> dict[str, Any]:
    """The params at a revision. ThawError if there are none."""
    text = read_file(root, revision, PARAMS)
    if text is None:
        raise ThawError(
            f"an experiment must start from a {PARAMS} that Git tracks, but {root} has none: run "
            f"this in the root of the repository, or `git add {PARAMS}`"
        )
    with damage_explained(PARAMS, f"restore it with `git checkout {PARAMS}`"):
        return dict(parse_yaml(text))


def _cached_keys(pipeline: Pipeline, lock: dict[str, Any]) -> Iterator[str]:
    """Keys of the stages whose outs, as dvc.lock names them, are in the cache."""
    with Repo() as repo:
        cache = Path(repo.cache.local.path)
    stages = lock.get("stages", {})
    values = {
        name: value
        for entry in stages.values()
        for name, value in entry.get("params", {}).get("params.yaml", {}).items()
    }
    for stage, key in pipeline.keys(values.get).items():
        outs = stages.get(stage, {}).get("outs", [])
        if outs and all((cache / out["md5"][:2] / out["md5"][2:]).exists() for out in outs):
            yield key


def run_points(
    plan: Plan,
    jobs: int,
    is_interrupted: Callable[[], bool],
    seconds: float | None = None,
    stdin: int | None = subprocess.DEVNULL,
) -> Generator[Outcome]:
    """Run the points that are not done, `jobs` at a time, and yield each as it ends.

    Each job has its own copy of the repository, so the working tree is not touched. No two run at
    the same time if both would do the same work. After `seconds` no further one starts; once
    interrupted, what runs is killed. stdin: what they read from, as in Checkout.start.
    """
    start, waiting, made = time.monotonic(), plan.todo, set(plan.made)
    running: dict[Checkout, Point] = {}
    with _checkouts(plan, min(jobs, len(waiting))) as checkouts:
        while not is_interrupted():
            free = [checkout for checkout in checkouts if checkout not in running]
            is_late = seconds is not None and time.monotonic() - start >= seconds
            busy = list(running.values())
            point = None if is_late or not free else _startable(plan, waiting, busy, made)
            if point:
                waiting.remove(point)
                free[0].start(point, plan.before, _log(point), stdin)
                running[free[0]] = point
            elif not running:
                return
            elif ended := next((one for one in running if one.has_ended()), None):
                outcome = _finish(ended, running.pop(ended))
                if is_interrupted():  # Ctrl-C reaches also what was started
                    return
                if not outcome.error:
                    made.update(plan.keys[outcome.point.name].values())
                yield outcome
            else:
                time.sleep(PAUSE)


@contextmanager
def _checkouts(plan: Plan, count: int) -> Iterator[list[Checkout]]:
    """Copies of the repository. In the end, what runs in them is killed, and they are deleted.

    Those of a killed sweep are deleted by the next.
    """
    shared, runs = SWEEP_SHARED.absolute(), SWEEP_RUNS.absolute()
    for folder in (runs, SWEEP_LOGS):
        folder.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=runs))  # a new name: a killed one may still be written to
    checkouts: list[Checkout] = []
    try:
        for number in range(count):
            copy = folder / str(number)
            checkouts.append(Checkout(Path.cwd(), copy, plan.snapshot, shared))
        yield checkouts
    finally:
        for checkout in checkouts:
            checkout.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _startable(
    plan: Plan, waiting: list[Point], running: list[Point], made: set[str]
) -> Point | None:
    """The first point that shares no work, which is not yet done, with one that runs."""
    busy = {key for point in running for key in plan.keys[point.name].values()} - made
    keys = plan.keys
    return next((one for one in waiting if busy.isdisjoint(keys[one.name].values())), None)


def _finish(checkout: Checkout, point: Point) -> Outcome:
    """Record a point that has ended, if it succeeded."""
    log = _log(point)
    if not checkout.has_succeeded():
        return Outcome(point, last_error(log), log)
    try:
        checkout.record(point.name)
    except ThawError as error:
        return Outcome(point, str(error), log)
    log.unlink()
    return Outcome(point, None, log)


def _log(point: Point) -> Path:
    """Where what the stages print goes; it stays if the point fails."""
    return SWEEP_LOGS.absolute() / f"{point.name}.log"


def last_error(log: Path) -> str:
    """The line of a stage that says what is wrong, or the last one."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    lines = [line for line in map(str.strip, lines) if line]
    errors = [line.partition(" error in ")[2] for line in lines if " error in " in line]
    return (errors or lines or ["it printed nothing"])[-1]
