"""Run the pipeline with other params in a copy of the repository, and record the experiment."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.experiments.checkout import Checkout
from thaw.experiments.git import snapshot
from thaw.experiments.grid import Point
from thaw.experiments.pipeline import Pipeline
from thaw.experiments.sweep import PAUSE, last_error, read_params
from thaw.paths import JOBS_SHARED
from thaw.settings import merge

STAGE = re.compile(rb"[Ss]tage '([\w-]+)'")  # as DVC names the one that it runs or leaves out

Report = Callable[[str, int, int], None]  # a stage that starts, its number from 0, how many


def train_in_copy(copy: Path, name: str, given: dict[str, Any], log: Path, report: Report) -> None:
    """Run the pipeline of the repository here in a new clone at `copy`, which stays.

    It starts from the last commit with the tracked files as they are now, so that the repository's
    own files stay as they are whatever happens. given: params instead of those of params.yaml. What
    runs inherits the standard input of this process. The result is recorded as the experiment
    `name`. Raises ThawError, with the line that says why, if a stage fails.
    """
    root = Path.cwd()
    start = snapshot(root)
    before = read_params(root, start[1])
    point = Point(name, given, merge(before, given))
    shared = root / JOBS_SHARED
    shared.parent.mkdir(parents=True, exist_ok=True)
    checkout = Checkout(root, copy, start, shared)
    stages = list(Pipeline(copy).stages)
    checkout.start(point, before, log, stdin=None)
    with log.open("rb") as stream:
        while not checkout.has_ended():
            for stage in STAGE.findall(stream.read()):
                if (known := stage.decode()) in stages:
                    report(known, stages.index(known), len(stages))
            time.sleep(PAUSE)
    if not checkout.has_succeeded():
        raise ThawError(last_error(log))
    checkout.record(name)
