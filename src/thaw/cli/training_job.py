"""The process of a training job, which `thaw.serving.jobs` starts; not a command of `thaw`.

`python -m thaw.cli.training_job check` reads what is asked as JSON and exits 2 if a param is not
valid; `… run FOLDER PUBLISHED` trains, lets the gate decide, and publishes, or runs a sweep.
"""

import json
import os
import shutil
import sys
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thaw.errors import ThawError
from thaw.paths import BUNDLE as BUNDLE_PATH
from thaw.paths import EVAL_METRICS, SWEEP_RESULTS
from thaw.serving.job_state import (
    BUNDLE,
    BY_HAND,
    COPY,
    FAILED,
    LOG,
    PUBLISHED,
    RUNNING,
    SUCCEEDED,
    read_state,
    update_state,
)

if TYPE_CHECKING:
    from thaw.experiments.grid import Grid
    from thaw.experiments.sweep import Outcome, Plan


def check() -> None:
    """Exit 2, with the lines that say why, unless the params on standard input are valid."""
    from thaw.experiments.grid import list_points
    from thaw.params import read_yaml

    try:
        list_points(
            _grid(json.load(sys.stdin)), read_yaml("params.yaml"), lambda _: 0, lambda _: ""
        )
    except ThawError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def run(folder: Path, published: Path) -> None:
    """Do what the state in `folder` asks for, and write there what became of it."""
    asked = update_state(folder, state=RUNNING, pid=os.getpid(), started=time.time())
    try:
        if asked["sweep"]:
            ended = _sweep(folder, _grid(asked))
        else:
            ended = _train(folder, asked["params"], published)
    except ThawError as error:
        ended = {"state": FAILED, "error": str(error)}
    except Exception:
        traceback.print_exc()
        ended = {"state": FAILED, "error": "it ended by a defect: see the end of its log"}
    shutil.rmtree(folder / COPY, ignore_errors=True)
    update_state(folder, **ended, ended=time.time())


def _train(folder: Path, params: dict[str, Any], published: Path) -> dict[str, Any]:
    """The last changes of the state."""
    # Imported here, because the state is to be true as soon as this process lives.
    from thaw.cli.publish import judge
    from thaw.experiments.gate import INCOMPARABLE, NOT_WORSE, TOO_FEW
    from thaw.experiments.training import train_in_copy
    from thaw.serving.publish import publish

    copy, bundle = folder / COPY, folder / BUNDLE

    def report(stage: str, number: int, count: int) -> None:
        update_state(folder, stage=stage, stages_done=number, stages=count)

    train_in_copy(copy, f"job-{folder.name}", params, folder / LOG, report)
    shutil.copytree(copy / BUNDLE_PATH, bundle)
    metrics = copy / EVAL_METRICS
    found = json.loads(metrics.read_text(encoding="utf-8")) if metrics.exists() else None
    count = read_state(folder).get("stages")
    update_state(folder, stage="publish", stages_done=count, metrics=found)
    sha256, verdict = judge(bundle, published, copy)
    ended = {"bundle": sha256, "publication": verdict.as_json()}
    if verdict.outcome != NOT_WORSE:
        by_hand = verdict.outcome in (TOO_FEW, INCOMPARABLE)
        return ended | {"state": BY_HAND if by_hand else SUCCEEDED}
    update_state(folder, **ended, publishes=sha256)  # so that a kill in between leaves the truth
    publish(bundle, published)
    return {"state": PUBLISHED}


def _grid(asked: dict[str, Any]) -> "Grid":
    """All params that are asked for, each with its values."""
    return {key: [value] for key, value in asked["params"].items()} | asked["sweep"]


def _sweep(folder: Path, grid: "Grid") -> dict[str, Any]:
    """Run a sweep as `thaw sweep` does; the last changes of the state."""
    from thaw.experiments.board import Board
    from thaw.experiments.sweep import make_plan, only_sweep, run_points
    from thaw.experiments.sweep_plots import write_sweep
    from thaw.experiments.sweep_result import as_json

    failed: list[Outcome] = []
    with only_sweep():
        plan = make_plan(grid)
        plan.check_disk(shutil.disk_usage(".").free)
        board, count, todo = Board(plan), len(plan.points), plan.todo
        print(f"{count} points, {len(plan.done)} done, {len(todo)} to run", flush=True)
        _report_point(folder, plan, 0)
        # What it starts must keep the lock of the job, which is this process' standard input.
        outcomes = run_points(plan, 1, lambda: False, stdin=None)
        with closing(outcomes):
            for number, outcome in enumerate(outcomes, 1):
                failed += [outcome] if outcome.error else []
                print(f"{outcome.point.name}: {outcome.error or 'done'}", flush=True)
                _report_point(folder, plan, number)
    if (ranking := board.ranking()) is None:
        raise ThawError(failed[0].error if failed else "\n".join(board.left_out))
    write_sweep(SWEEP_RESULTS, ranking.runs)
    result = as_json(plan, board, ranking, failed)
    del result["pairs"]  # thousands, of a hundred points
    return {"state": SUCCEEDED, "ranking": result}


def _report_point(folder: Path, plan: "Plan", number: int) -> None:
    """Write that so many of the points to run have ended, and which one runs now."""
    names = [point.name for point in plan.todo[number : number + 1]]
    done = len(plan.done) + number
    stage = names[0] if names else "comparison"
    update_state(folder, stage=stage, points_done=done, points=len(plan.points))


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check()
    else:
        run(Path(sys.argv[2]), Path(sys.argv[3]))
