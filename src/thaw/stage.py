"""Run a stage script: declared params, checkpoint directory, log and exit code."""

import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import yaml

from thaw.errors import ThawError
from thaw.files import remove_temporaries, sha256_of, storage_errors_explained
from thaw.params import Params, StageParams, load
from thaw.paths import CHECKPOINTS, LOGS

log = logging.getLogger("thaw")


def declaration(stage: str) -> dict[str, Any]:
    """Return the entry of `stage` in dvc.yaml."""
    pipeline = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return pipeline["stages"][stage]


def stage_params(stage: str) -> StageParams:
    """Read the params that dvc.yaml declares for `stage`."""
    return StageParams(load(), frozenset(declaration(stage).get("params", ())))


def checkpoint_dir(stage: str, fingerprint: dict[str, Any]) -> Path:
    """Return the directory for finished work of `stage`, from which a killed run resumes.

    The path contains a hash of the stage's code and one of `fingerprint`. Directories of other
    code are deleted, because no run of the current code may resume from them.
    """
    code = _digest(sha256_of(dep) for dep in declaration(stage)["deps"] if dep.endswith(".py"))
    for other in (CHECKPOINTS / stage).glob("*"):
        if other.name != code:
            shutil.rmtree(other)
    return CHECKPOINTS / stage / code / _digest([json.dumps(fingerprint, sort_keys=True)])


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def run(stage: str, main: Callable[[Params], None]) -> None:
    """Run a stage script's `main` on its declared params; on ThawError exit 1, without traceback.

    `main` gets a StageParams: reading a key that dvc.yaml does not declare raises. If the params
    changed during the run, the stage fails, because DVC would record the new values with a result
    of the old ones. A full disk or missing permissions end it as a ThawError does.
    """
    try:
        with storage_errors_explained():
            _start_log(stage)
            params = stage_params(stage)
            for out in _outs(stage):
                remove_temporaries(out)
            main(cast(Params, params))
        if stage_params(stage).values() != params.values():
            raise ThawError(
                f"params.yaml changed while {stage} ran, so its result matches neither the old nor "
                "the new params: run it again"
            )
    except ThawError as error:
        for line in str(error).splitlines():
            log.error("error in %s: %s", stage, line)
        sys.exit(1)


def _start_log(stage: str) -> None:
    LOGS.mkdir(exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.StreamHandler(), logging.FileHandler(LOGS / f"{stage}.log")],
    )


def _outs(stage: str) -> list[str]:
    """Paths of the stage's outs and metrics. An entry with options is a mapping with one key."""
    entry = declaration(stage)
    outs = [*entry.get("outs", ()), *entry.get("metrics", ())]
    return [out if isinstance(out, str) else next(iter(out)) for out in outs]
