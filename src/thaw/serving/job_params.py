"""What a request for a job may set; if its values are valid, thaw.params says."""

import math
from typing import Any

from thaw.serving.errors import api_error

# Params that a request may set. Others name files and addresses, or change what is evaluated.
ALLOWED_SECTIONS = ("augment", "decision", "train", "unknown")
ALLOWED_KEYS = ("seed", "export.calibrate", "export.tta_flip")
MOST_POINTS = 100  # of a sweep


def check_keys(params: dict[str, Any], sweep: dict[str, Any]) -> None:
    """Raise ApiError for a key that a request may not set, and for a sweep without values."""
    for key in (*params, *sweep):
        section, dot, _ = key.partition(".")
        if key not in ALLOWED_KEYS and not (dot and section in ALLOWED_SECTIONS):
            allowed = ", ".join([*ALLOWED_KEYS, *(f"{name}.*" for name in ALLOWED_SECTIONS)])
            raise api_error("wrong_params", f"params may set {allowed}, but not {key[:100]!r}")
    for key, values in sweep.items():
        if not isinstance(values, list) or not values or key in params:
            raise api_error(
                "wrong_params",
                "sweep must have a list of one value or more for each param, which params must "
                f"not have, too, but {key[:100]!r} is not such",
            )
    if (points := math.prod(map(len, sweep.values()))) > MOST_POINTS:
        raise api_error(
            "wrong_params",
            f"a sweep must have at most {MOST_POINTS} points here, but has {points}: leave out "
            "values, or run `thaw sweep`",
        )
