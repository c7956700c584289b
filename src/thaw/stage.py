"""Run a stage script: declared params, checkpoint directory, log and exit code."""

import gc
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MethodType
from typing import Any, NoReturn, cast

import yaml

from thaw.errors import ThawError
from thaw.files import (
    damage_explained,
    remove_temporaries,
    sha256_of,
    storage_errors_explained,
)
from thaw.params import Params, load
from thaw.paths import CHECKPOINTS, LOGS

log = logging.getLogger("thaw")


class StageParams:
    """A view of the params that allows only the keys that dvc.yaml declares for a stage.

    A stage that read an undeclared key would not rerun when that key changes; here it fails at
    once. Declaring `split` gives the section, declaring `train.freeze_till` only that key.
    """

    def __init__(self, values: Any, declared: frozenset[str], where: str = "") -> None:
        self._values, self._declared, self._where = values, declared, where

    def __getattr__(self, key: str) -> Any:
        name = f"{self._where}{key}"
        value = getattr(self._values, key)
        if isinstance(value, MethodType):  # of a section; it may read declared keys only, too
            return MethodType(value.__func__, self)
        if name in self._declared:
            return value
        if any(other.startswith(f"{name}.") for other in self._declared):
            return StageParams(value, self._declared, f"{name}.")
        raise ThawError(f"this stage reads {name}, which dvc.yaml does not list in its params")

    def values(self) -> dict[str, Any]:
        """Return every declared key with its value."""
        values = {}
        for name in sorted(self._declared):
            value = self._values
            for key in name.split("."):
                value = getattr(value, key)
            values[name] = value
        return values


def declaration(stage: str) -> dict[str, Any]:
    """Return the entry of `stage` in dvc.yaml. Raises ThawError if there is none."""
    with damage_explained("dvc.yaml", "restore it with `git checkout dvc.yaml`"):
        pipeline = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
        return dict(pipeline["stages"][stage])


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
    of the old ones. A full disk or missing permissions end it as a ThawError does. Garbage
    collection, which a stage script switches off before its imports, runs from here on; it leaves
    out what they created (benchmarks/tricks.py, "imports out of collection").
    """
    gc.freeze()
    gc.enable()
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


def leave() -> NoReturn:
    """End the process at once: Python's own end takes a second once TensorFlow is loaded.

    Call it last, in a script (benchmarks/tricks.py, "leaving at once").
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
