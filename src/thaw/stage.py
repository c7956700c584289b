"""What every stage script shares: its declared params, its log, and its exit."""

import hashlib
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from thaw.errors import ThawError
from thaw.files import sha256_of
from thaw.params import Declared, load

log = logging.getLogger("thaw")


def declaration(name: str) -> dict[str, Any]:
    """What dvc.yaml says of the stage `name`."""
    pipeline = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return pipeline["stages"][name]


def declared_params(name: str) -> Declared:
    """The params that dvc.yaml declares for the stage `name`, as they stand now."""
    return Declared(load(), frozenset(declaration(name).get("params", ())))


def unfinished(made_with: dict[str, Any]) -> Path:
    """Where the running stage keeps what it has done, so that a run after a kill can go on.

    Another folder for each `made_with`, and for other code in the stage's deps: what an earlier
    state of the code did is not taken for the work of the present one.
    """
    name = Path(sys.argv[0]).stem
    code = [sha256_of(dep) for dep in declaration(name)["deps"] if dep.endswith(".py")]
    text = json.dumps([made_with, code], sort_keys=True, default=str)
    return Path(".thaw") / name / hashlib.sha256(text.encode()).hexdigest()[:16]


def run(main: Callable[[Declared], None]) -> None:
    """Run a stage script's `main` on its declared params; a ThawError ends it with one line.

    The params are read again at the end: had they changed meanwhile, DVC would record the new
    values beside a result of the old ones, so the stage refuses to finish.
    """
    name = Path(sys.argv[0]).stem
    Path("logs").mkdir(exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.StreamHandler(), logging.FileHandler(f"logs/{name}.log")],
    )
    try:
        params = declared_params(name)
        main(params)
        if declared_params(name).read() != params.read():
            raise ThawError(
                f"params.yaml changed while {name} ran, so its result fits neither the old nor "
                "the new params: run it again"
            )
    except ThawError as problem:
        log.error("error in %s: %s", name, problem)
        sys.exit(1)
