"""What dvc.lock says of a result: its params and the hashes of its outs."""

from collections.abc import Collection, Mapping
from typing import Any

from thaw.errors import ThawError


def params_and_outs(
    name: str, stages: Collection[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Params by full key, and hashes of outs. Raises ThawError in the middle of a run."""
    outs = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    deps = [(dep["path"], dep["md5"]) for stage in stages for dep in stage.get("deps", [])]
    values = [
        item
        for stage in stages
        for item in _flat(stage.get("params", {}).get("params.yaml", {})).items()
    ]
    params = dict(values)
    if any(outs.get(path, md5) != md5 for path, md5 in deps) or any(
        params[key] != value for key, value in values
    ):
        raise ThawError(
            f"{name} must be the result of one run, but its stages ran on different inputs: "
            "`dvc repro`"
        )
    return params, outs


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params by full key. dvc.lock has whole sections, and single keys such as `base.name`."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        is_section = isinstance(value, dict) and "." not in key
        flat |= {f"{key}.{name}": v for name, v in value.items()} if is_section else {key: value}
    return flat
