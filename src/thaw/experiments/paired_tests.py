"""Test each pair of settings on the same images.

They are out-of-fold predictions where both have them of their very training, else those of
validation images.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from thaw.evaluate.predictions import Predictions
from thaw.experiments.experiment import Experiment
from thaw.experiments.setting import Setting, pair_runs
from thaw.experiments.statistics import (
    bootstrap_interval,
    exact_p_value,
    holm,
    smallest_difference,
)

LEVEL = 0.05  # of significance, over all pairs together
OUT_OF_FOLD, VAL = "out-of-fold", "val"
BETTER, WORSE, UNCLEAR = "better", "worse", "not distinguishable"


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


def test_pairs(settings: Sequence[Setting]) -> list[Pair]:
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
