"""The scores of experiments, by which the best is chosen without a look at test."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from thaw.backbones import count_layers
from thaw.experiments.git import list_experiments, read_file, reference
from thaw.experiments.grid import Point
from thaw.files import damage_explained
from thaw.params import Params, validate
from thaw.paths import CROSSVAL_METRICS, EVAL_METRICS

SEEDS = ("seed", "split.seed")  # differ between repetitions, which are averaged


@dataclass(frozen=True)
class Result:
    """Metrics of an experiment."""

    point: Point
    metrics: dict[str, Any]  # metrics/eval.json
    out_of_fold: float | None  # accuracy; None without one of the very training of the bundle

    @property
    def val(self) -> float:
        """Accuracy on validation."""
        return float(self.metrics["val_accuracy"])

    @property
    def setting(self) -> str:
        """The settings that repetitions share."""
        return json.dumps({key: x for key, x in self.point.settings.items() if key not in SEEDS})


@dataclass(frozen=True)
class Ranking:
    """Results, best first. criterion: what they are compared on."""

    criterion: str
    scores: list[tuple[Result, float]]


def rank(results: Iterable[Result]) -> Ranking:
    """Rank by out-of-fold accuracy if all have it, else by accuracy on validation.

    A setting counts by the mean over its repetitions, and among those each by its own score; so
    a lucky seed does not decide. Ties stay in order.
    """
    results = list(results)
    has_all = all(result.out_of_fold is not None for result in results)
    scores = {
        result.point.name: result.out_of_fold if result.out_of_fold and has_all else result.val
        for result in results
    }
    groups: dict[str, list[float]] = {}
    for result in results:
        groups.setdefault(result.setting, []).append(scores[result.point.name])
    results.sort(key=lambda one: (-fmean(groups[one.setting]), -scores[one.point.name]))
    criterion = "out-of-fold accuracy" if has_all else "accuracy on validation"
    return Ranking(criterion, [(result, scores[result.point.name]) for result in results])


class Scoreboard:
    """The results of points, each read once when its experiment exists."""

    def __init__(self, folder: Path, baseline: str, points: list[Point]) -> None:
        self._folder, self._baseline, self._points = folder, baseline, points
        self._known: dict[str, Result] = {}

    def ranking(self) -> Ranking:
        """Rank the points that are done by now."""
        names = list_experiments(self._folder, self._baseline)
        for point in self._points:
            if point.name in names and point.name not in self._known:
                self._known[point.name] = self._read(point)
        return rank(self._known[point.name] for point in self._points if point.name in self._known)

    def _read(self, point: Point) -> Result:
        ref = reference(self._baseline, point.name)
        metrics, crossval = (
            read_file(self._folder, ref, path) for path in (EVAL_METRICS, CROSSVAL_METRICS)
        )
        with damage_explained(f"{EVAL_METRICS} of {point.name}", f"`dvc exp remove {point.name}`"):
            found = json.loads(crossval) if crossval else {}
            same = is_same_training(found.get("training"), validate(point.params))
            out_of_fold = float(found["accuracy"]["mean"]) if same else None
            return Result(point, json.loads(metrics or ""), out_of_fold)


def is_same_training(training: str | None, params: Params) -> bool:
    """Whether out-of-fold predictions come from the training that the bundle had.

    training: of metrics/crossval.json. Those of a head alone say nothing about a trained tail.
    """
    layers = count_layers(params.base.name, params.base.alpha)
    frozen = params.train.freeze_till in ("all", layers)
    return training == "full" or (training == "head" and frozen)
