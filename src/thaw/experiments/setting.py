"""Which experiments are runs of one setting, and which runs of two settings belong together."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from thaw.experiments.experiment import SEEDS, Experiment


def shown(value: Any) -> str:
    """A value as `thaw use` takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value).replace(" ", "")


@dataclass(frozen=True)
class Setting:
    """Runs that differ in nothing but their seeds."""

    params: dict[str, Any]  # those in which the settings differ
    runs: list[Experiment]

    @property
    def name(self) -> str:
        """The name of the first run, and how many more there are."""
        more = len(self.runs) - 1
        return self.runs[0].name + (f" +{more}" if more else "")

    @property
    def label(self) -> str:
        """What tells it from the others: the params of several runs, or the name of its one."""
        if len(self.runs) == 1 or not self.params:
            return self.name
        return " ".join(f"{k.rpartition('.')[2]}={shown(v)}" for k, v in self.params.items())


def differing(experiments: Iterable[Experiment]) -> list[str]:
    """Params in which the experiments differ, without the seeds."""
    all_params = [experiment.params for experiment in experiments]
    keys = dict.fromkeys(key for params in all_params for key in params if key not in SEEDS)
    return [key for key in keys if len({_text(params.get(key)) for params in all_params}) > 1]


def group_runs(experiments: Sequence[Experiment]) -> list[Setting]:
    """Group experiments that differ in their seeds only.

    A second one with the same seeds, of other code, is of another setting. If all differ in the
    seed of training only, each is a setting.
    """
    keys = differing(experiments)
    grouped: dict[tuple[str, int], list[Experiment]] = {}
    seen: Counter[tuple[str, tuple[int, int]]] = Counter()
    for experiment in experiments:
        setting = _text([experiment.params.get(key) for key in keys])
        grouped.setdefault((setting, seen[setting, experiment.seed]), []).append(experiment)
        seen[setting, experiment.seed] += 1
    if len(grouped) == 1 and len({experiment.images for experiment in experiments}) == 1:
        return [Setting({"seed": e.params.get("seed")}, [e]) for e in experiments]
    return [
        Setting({k: runs[0].params.get(k) for k in keys}, sorted(runs, key=lambda run: run.seed))
        for runs in grouped.values()
    ]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def pair_runs(first: Setting, second: Setting) -> list[tuple[Experiment, Experiment]]:
    """Pair runs on the same split: those of the same seed, or, if there are none, in order."""
    pairs: list[tuple[Experiment, Experiment]] = []
    for images in dict.fromkeys(run.images for run in first.runs):
        ours, theirs = (
            {run.seed: run for run in setting.runs if run.images == images}
            for setting in (first, second)
        )
        both = [seed for seed in ours if seed in theirs]
        same = [(ours[seed], theirs[seed]) for seed in both]
        pairs += same or zip(ours.values(), theirs.values(), strict=False)
    return pairs
