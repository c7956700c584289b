"""How much disk outs will take, before they are made."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from thaw.errors import ThawError
from thaw.features.graph import Graph
from thaw.features.rows import Rows
from thaw.paths import BASE, FEATURES, IMAGES, SPLIT, VIEWS

Params = dict[str, Any]


def predictor(lock: dict[str, Any], before: Params) -> Callable[[str, Params], int]:
    """Return a function that predicts the bytes of the outs of a stage, given all params.

    They are as many as dvc.lock has; those of activations depend on the cut, and are computed from
    the base and the images that are here, the results of the params `before`.
    """
    outs = {stage: entry.get("outs", []) for stage, entry in lock.get("stages", {}).items()}

    @cache
    def here() -> tuple[Graph, int] | None:
        """The base, and the number of images and views."""
        try:
            return Graph.open(BASE), len(Rows(IMAGES, SPLIT, VIEWS))
        except ThawError:  # not here
            return None

    def predict(stage: str, params: Params) -> int:
        paths = [out["path"] for out in outs.get(stage, [])]
        is_cut = paths == [FEATURES.as_posix()] and params["base"] == before["base"]
        if is_cut and (found := here()):
            return _activations(*found, params)
        return sum(out.get("size", 0) for out in outs.get(stage, []))

    return predict


def _activations(graph: Graph, rows: int, params: Params) -> int:
    """Bytes of the activations at the cut."""
    cut = graph.info.cut(params["train"]["freeze_till"])
    if cut == graph.info.layers:
        return 0
    sides = list(graph.prefix(cut).output().partial_shape)[1:]
    dtype = params["compute"]["cache_dtype"] if cut > 1 else np.uint8
    return rows * math.prod(side.get_length() for side in sides) * np.dtype(dtype).itemsize
