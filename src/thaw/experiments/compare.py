"""Compare experiments: which are runs of one setting, which setting is best, and is that shown.

Nothing here looks at test images. Settings are compared on out-of-fold predictions where all have
them of their very training, else on validation images.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from thaw.errors import ThawError, listing
from thaw.evaluate.metrics import loss
from thaw.evaluate.predictions import Predictions
from thaw.experiments.experiment import SEEDS, Experiment
from thaw.experiments.statistics import (
    bootstrap_interval,
    exact_p_value,
    holm,
    smallest_difference,
    wilson_interval,
)
from thaw.paths import IMAGES

LEVEL = 0.05  # of significance, over all pairs together
OUT_OF_FOLD, VAL = "out-of-fold", "val"
BETTER, WORSE, UNCLEAR = "better", "worse", "not distinguishable"


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


@dataclass(frozen=True)
class Score:
    """Results of a setting on `Ranking.images`, as means over its runs."""

    accuracies: list[float]  # of each run
    accuracy: float
    low: float  # 95 % Wilson interval
    high: float
    spread: float | None  # standard deviation over the runs; None for one run
    loss: float
    n: int  # images


@dataclass(frozen=True)
class Pair:
    """The paired test of two settings on the same images."""

    first: int  # index into Comparison.settings
    second: int
    images: str  # OUT_OF_FOLD or VAL
    n: int  # images
    runs: int  # of each of the two
    sums: tuple[np.ndarray, np.ndarray]  # by duplicate group, as in thaw.experiments.statistics
    p_value: float
    adjusted: float  # p-value after Holm's correction over all pairs
    level: float  # that p_value must meet

    @property
    def difference(self) -> float:
        """In accuracy, first minus second."""
        differences, answers = self.sums
        return float(differences.sum() / answers.sum())

    # What takes long is computed once it is asked for: of many pairs few are shown.
    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the difference."""
        return bootstrap_interval(*self.sums)

    @property
    def low(self) -> float:
        """Its lower end."""
        return self.interval[0]

    @property
    def high(self) -> float:
        """Its upper end."""
        return self.interval[1]

    @cached_property
    def smallest(self) -> float:
        """The smallest difference that these images could show."""
        return smallest_difference(*self.sums, self.level)

    @property
    def verdict(self) -> str:
        """What is shown of the first: BETTER, WORSE or UNCLEAR."""
        if self.adjusted > LEVEL:
            return UNCLEAR
        return BETTER if self.difference > 0 else WORSE


@dataclass(frozen=True)
class Ranking:
    """Settings, the best first, and their scores."""

    images: str  # OUT_OF_FOLD or VAL, on which the best is chosen
    settings: list[Setting]
    scores: list[Score]
    others: list[Experiment]  # on other data or splits

    @property
    def best(self) -> Experiment:
        """The run of the best setting with the highest accuracy, the first of equals."""
        accuracies = self.scores[0].accuracies
        return self.settings[0].runs[accuracies.index(max(accuracies))]

    @property
    def runs(self) -> list[Experiment]:
        """Those of all settings, in their order."""
        return [run for setting in self.settings for run in setting.runs]

    @property
    def not_ranked(self) -> list[str]:
        """A line for each of the others."""
        return [f"{one.name} is left out: other data or another split" for one in self.others]


@dataclass(frozen=True)
class Comparison(Ranking):
    """A ranking, and the test of each pair of settings that can be paired."""

    pairs: list[Pair]
    left_out: list[str]  # a line for each experiment that was not asked for and does not fit

    def with_best(self, index: int) -> Pair | None:
        """The test of the best setting, which is the first, and another."""
        return next((pair for pair in self.pairs if (pair.first, pair.second) == (0, index)), None)


def compare(experiments: Sequence[Experiment], strict: bool) -> Comparison:
    """Compare experiments on the same images and splits.

    strict: an experiment on other images raises ThawError; otherwise it is left out.
    """
    if not experiments:
        raise ThawError(
            "there must be an experiment to compare, but there is none of this commit with its "
            "results here: run the pipeline and commit, or name experiments"
        )
    ranking = rank(experiments)
    others = ranking.others
    if others and strict:
        raise ThawError(
            "experiments must be on the same data and splits to be compared, or pair seed by "
            f"seed, but {listing(e.name for e in others)} and {ranking.best.name} do not: compare "
            "fewer, or run them with the same split.seed"
        )
    pairs = _test_pairs(ranking.settings)
    return Comparison(**vars(ranking), pairs=pairs, left_out=ranking.not_ranked)


def rank(experiments: Sequence[Experiment]) -> Ranking:
    """Rank the settings of at least one experiment by accuracy, a mean over runs, then by loss.

    Only those count that can be paired with the setting of most runs.
    """
    settings, others = _on_same_images(experiments)
    images = common_images(run for setting in settings for run in setting.runs)
    scored = [(score(setting, images), setting) for setting in settings]
    scored.sort(key=lambda pair: (-pair[0].accuracy, pair[0].loss))
    scores = [score for score, _ in scored]
    return Ranking(images, [setting for _, setting in scored], scores, others)


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


def _on_same_images(experiments: Sequence[Experiment]) -> tuple[list[Setting], list[Experiment]]:
    """The settings that can be paired with the one of most runs, and the other experiments."""
    data = IMAGES.as_posix()
    [(most, _)] = Counter(e.outs[data] for e in experiments).most_common(1)
    settings = group_runs([e for e in experiments if e.outs[data] == most])
    reference = max(settings, key=lambda setting: len(setting.runs))
    kept = [s for s in settings if s is reference or pair_runs(s, reference)]
    fitting = [run for setting in kept for run in setting.runs]
    return group_runs(fitting), [e for e in experiments if e not in fitting]


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


def common_images(experiments: Iterable[Experiment]) -> str:
    """OUT_OF_FOLD if all experiments have such predictions of their very training, else VAL."""
    have_them = (experiment.out_of_fold is not None for experiment in experiments)
    return OUT_OF_FOLD if all(have_them) else VAL


def predictions(experiment: Experiment, images: str) -> Predictions:
    """Those of OUT_OF_FOLD or of VAL."""
    found = experiment.out_of_fold if images == OUT_OF_FOLD else experiment.val
    if found is None:
        raise ValueError(f"{experiment.name} has no out-of-fold predictions")
    return found


def score(setting: Setting, images: str) -> Score:
    """Accuracy and loss of a setting: means over its runs."""
    answers = [predictions(run, images) for run in setting.runs]
    accuracies = [float(np.mean(found.predicted == found.truth)) for found in answers]
    losses = [dict(loss(found.truth, found.probabilities))["loss"] for found in answers]
    n = len({name for found in answers for name in found.names})
    accuracy = float(np.mean(accuracies))
    spread = float(np.std(accuracies, ddof=1)) if len(answers) > 1 else None
    interval = wilson_interval(accuracy, n)
    return Score(accuracies, accuracy, *interval, spread, float(np.mean(losses)), n)


def _test_pairs(settings: Sequence[Setting]) -> list[Pair]:
    """The tests of all pairs that have runs on the same images, corrected together."""
    pairs = [
        _test(first, second, runs)
        for first, second in combinations(range(len(settings)), 2)
        if (runs := pair_runs(settings[first], settings[second]))
    ]
    adjusted, levels = holm(np.array([pair.p_value for pair in pairs]), LEVEL)
    return [
        replace(pair, adjusted=p_value, level=level)
        for pair, p_value, level in zip(pairs, adjusted.tolist(), levels.tolist(), strict=True)
    ]


def _test(first: int, second: int, runs: list[tuple[Experiment, Experiment]]) -> Pair:
    """The test of two settings by itself, without the correction for others."""
    images = common_images(run for pair in runs for run in pair)
    table = paired_answers(runs, images)
    differences, answers = table.groupby("group")[["difference", "answers"]].sum().to_numpy().T
    p_value, n = exact_p_value(differences), table["name"].nunique()
    return Pair(
        first, second, images, n, len(runs), (differences, answers), p_value, p_value, LEVEL
    )


def paired_answers(runs: Sequence[tuple[Experiment, Experiment]], images: str) -> pd.DataFrame:
    """A row for each image and pair of runs: name, group, difference (1, 0 or -1), answers (1)."""
    tables = []
    for first, second in runs:
        ours, theirs = (_right(predictions(run, images)) for run in (first, second))
        table = (ours - theirs).astype(int).rename("difference").rename_axis("name").reset_index()
        tables.append(table.assign(group=table["name"].map(first.groups), answers=1))
    return pd.concat(tables, ignore_index=True)


def _right(found: Predictions) -> pd.Series:
    """1 for each image that is predicted rightly, else 0, by name."""
    return pd.Series((found.predicted == found.truth).astype(int), index=found.names)
