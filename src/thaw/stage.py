"""What every stage script shares: its declared params, its log, and its exit."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from thaw.errors import ThawError
from thaw.params import Declared, load

log = logging.getLogger("thaw")


def declared_params(name: str) -> Declared:
    """The params that dvc.yaml declares for the stage `name`, as they stand now."""
    pipeline = yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    stage = pipeline["stages"][name]
    return Declared(load(), frozenset(stage.get("params", ())))


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
