"""Find the images on which two settings disagree."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from thaw.data.tables import read_rows
from thaw.evaluate.gallery import PIXELS
from thaw.evaluate.predictions import Predictions
from thaw.experiments.compare import Comparison
from thaw.experiments.experiment import Experiment
from thaw.experiments.paired_tests import Pair, paired_answers, predictions
from thaw.experiments.setting import pair_runs
from thaw.images import thumbnail
from thaw.paths import IMAGES

MOST_IMAGES = 12  # that are shown


@dataclass(frozen=True)
class Disagreement:
    """An image on which two runs disagree."""

    name: str
    truth: str
    answers: tuple[tuple[str, float], tuple[str, float]]  # class and probability, of both


def find_disagreements(comparison: Comparison, pair: Pair) -> tuple[list[Disagreement], int]:
    """Images on which one of two settings alone is right, and how many there are.

    First those on which most runs differ; at most MOST_IMAGES.
    """
    runs = pair_runs(comparison.settings[pair.first], comparison.settings[pair.second])
    sums = paired_answers(runs, pair.images).groupby("name")["difference"].sum()
    sums = sums[sums != 0].abs().sort_values(ascending=False, kind="stable")
    items: dict[str, Disagreement] = {}
    for first, second in runs:
        ours, theirs = predictions(first, pair.images), predictions(second, pair.images)
        here = {name: index for index, name in enumerate(ours.names)}
        there = {name: index for index, name in enumerate(theirs.names)}
        for name in sums.index[:MOST_IMAGES]:
            if name in here and name not in items:
                one, other = _answer(ours, here[name]), _answer(theirs, there[name])
                if one[0] != other[0]:
                    truth = ours.labels[ours.truth[here[name]]]
                    items[name] = Disagreement(name, truth, (one, other))
    return list(items.values()), len(sums)


def _answer(found: Predictions, index: int) -> tuple[str, float]:
    k = found.predicted[index]
    return found.labels[k], float(found.probabilities[index, k])


def thumbnails(experiment: Experiment, names: Collection[str]) -> dict[str, np.ndarray]:
    """Images as uint8 RGB (h, w, 3), at most 140 pixels a side, by name."""
    rows = read_rows(experiment.cached(IMAGES), ["name", "bytes"], names)
    return {row["name"]: thumbnail(row["bytes"], PIXELS) for row in rows}
