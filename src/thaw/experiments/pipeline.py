"""What dvc.yaml says of the stages: params, inputs, outs, and which points share a stage's work."""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from thaw.files import damage_explained

Lookup = Callable[[str], Any]  # the value of a param that a stage declares, such as train.dropout
StageKeys = dict[str, str]  # of each stage: equal for points that share its work


class Pipeline:
    """The stages of the dvc.yaml in a folder, in their order."""

    def __init__(self, folder: Path) -> None:
        path = folder / "dvc.yaml"
        with damage_explained(path, "restore it with `git checkout dvc.yaml`"):
            content = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
            self.stages: dict[str, dict[str, Any]] = content["stages"]

    @cached_property
    def outs(self) -> dict[str, str]:
        """The stage that writes each out, by path."""
        return {_path(out): stage for stage in self.stages for out in self._entries(stage)}

    def uncached_outs(self) -> list[str]:
        """Paths of the outs that Git holds."""
        return [
            _path(out)
            for stage in self.stages
            for out in self._entries(stage)
            if isinstance(out, dict) and out[_path(out)].get("cache") is False
        ]

    def inputs(self) -> list[str]:
        """Paths of the deps that no stage writes, apart from those that a param names."""
        deps = {dep for entry in self.stages.values() for dep in entry.get("deps", ())}
        return sorted(dep for dep in deps if not self._writer(dep) and "${" not in dep)

    def rank(self, key: str) -> int:
        """The number of the first stage that depends on a param; of none, that after the last."""
        for number, entry in enumerate(self.stages.values()):
            if any(key == name or key.startswith(f"{name}.") for name in entry.get("params", ())):
                return number
        return len(self.stages)

    def keys(self, lookup: Lookup) -> StageKeys:
        """For each stage, the params that it and those before it declare."""
        return {
            stage: json.dumps([stage, {name: lookup(name) for name in names}], sort_keys=True)
            for stage, names in self._all_params.items()
        }

    @cached_property
    def _all_params(self) -> dict[str, list[str]]:
        """The params that each stage, and those that it depends on, declare."""
        return {stage: sorted(self._params_of(stage)) for stage in self.stages}

    def _params_of(self, stage: str) -> set[str]:
        entry = self.stages[stage]
        before = {writer for dep in entry.get("deps", ()) if (writer := self._writer(dep))}
        return set(entry.get("params", ())).union(*map(self._params_of, before))

    def _entries(self, stage: str) -> list[Any]:
        entry = self.stages[stage]
        return [*entry.get("outs", ()), *entry.get("metrics", ())]

    def _writer(self, dep: str) -> str | None:
        """The stage that writes a path, or the folder around it."""
        around = (path.as_posix() for path in (Path(dep), *Path(dep).parents))
        return next((self.outs[path] for path in around if path in self.outs), None)


def lookup(params: dict[str, Any]) -> Lookup:
    """Find a param, such as `train.dropout`, in all params."""

    def find(name: str) -> Any:
        value: Any = params
        for key in name.split("."):
            value = value[key]
        return value

    return find


def _path(out: str | dict[str, Any]) -> str:
    """The path of an out; one with options is a mapping with one key."""
    return out if isinstance(out, str) else next(iter(out))
