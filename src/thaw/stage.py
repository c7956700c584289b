"""What every stage script shares: its declared params, its checkpoints, its log and its exit."""

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
from thaw.files import remove_temporaries, sha256_of
from thaw.params import Params, StageParams, load
from thaw.paths import CHECKPOINTS, LOGS

log = logging.getLogger("thaw")


def declaration(stage: str) -> dict[str, Any]:
    """The entry of `stage` in dvc.yaml."""
    pipeline = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return pipeline["stages"][stage]


def stage_params(stage: str) -> StageParams:
    """The params that dvc.yaml declares for `stage`, as they stand now."""
    return StageParams(load(), frozenset(declaration(stage).get("params", ())))


def checkpoint_dir(stage: str, fingerprint: dict[str, Any]) -> Path:
    """The directory in which `stage` keeps finished work, so that a killed run resumes.

    One for each fingerprint, below one for the code in the stage's deps. Directories of other
    code are removed: no run of the present code may resume from them.
    """
    code = _digest(sha256_of(dep) for dep in declaration(stage)["deps"] if dep.endswith(".py"))
    for other in (CHECKPOINTS / stage).glob("*"):
        if other.name != code:
            shutil.rmtree(other)
    return CHECKPOINTS / stage / code / _digest([json.dumps(fingerprint, sort_keys=True)])


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def run(stage: str, main: Callable[[Params], None]) -> None:
    """Run a stage script's `main` on its declared params; a ThawError exits 1, without traceback.

    `main` gets a StageParams: reading a key that dvc.yaml does not declare raises. The params are
    read again at the end: if they changed meanwhile, DVC would record the new values beside a
    result of the old ones, so the stage refuses to finish.
    """
    LOGS.mkdir(exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.StreamHandler(), logging.FileHandler(LOGS / f"{stage}.log")],
    )
    try:
        params = stage_params(stage)
        for out in _outs(stage):
            remove_temporaries(out)
        main(cast(Params, params))
        if stage_params(stage).values() != params.values():
            raise ThawError(
                f"params.yaml changed while {stage} ran, so its result fits neither the old nor "
                "the new params: run it again"
            )
    except ThawError as problem:
        for line in str(problem).splitlines():
            log.error("error in %s: %s", stage, line)
        sys.exit(1)


def _outs(stage: str) -> list[str]:
    """The paths that the stage writes; an entry with options is a mapping of one path to them."""
    entry = declaration(stage)
    outs = [*entry.get("outs", ()), *entry.get("metrics", ())]
    return [out if isinstance(out, str) else next(iter(out)) for out in outs]
