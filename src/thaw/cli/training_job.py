"""The process of a training job, which `thaw.serving.jobs` starts; not a command of `thaw`.

`python -m thaw.cli.training_job check` reads params as JSON and exits 2 if they are not valid;
`… run FOLDER PUBLISHED` trains, lets the gate decide, and publishes.
"""

import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.paths import BUNDLE as BUNDLE_PATH
from thaw.paths import EVAL_METRICS
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


def check() -> None:
    """Exit 2, with the lines that say why, unless the params on standard input are valid."""
    from thaw.params import read_yaml
    from thaw.settings import merge

    try:
        merge(read_yaml("params.yaml"), json.load(sys.stdin))
    except ThawError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def run(folder: Path, published: Path) -> None:
    """Train as the state in `folder` says, and write there what became of it."""
    params = update_state(folder, state=RUNNING, pid=os.getpid(), started=time.time())["params"]
    try:
        ended = _train(folder, params, published)
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


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check()
    else:
        run(Path(sys.argv[2]), Path(sys.argv[3]))
