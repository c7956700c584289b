"""Rank experiments, and test which differences between them are shown.

Nothing here looks at test images.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thaw.errors import ThawError, listing
from thaw.evaluate.metrics import loss
from thaw.experiments.experiment import Experiment
from thaw.experiments.paired_tests import Pair, common_images, predictions, test_pairs
from thaw.experiments.setting import Setting, group_runs, pair_runs
from thaw.experiments.statistics import wilson_interval
from thaw.paths import IMAGES


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
    pairs = test_pairs(ranking.settings)
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


def _on_same_images(experiments: Sequence[Experiment]) -> tuple[list[Setting], list[Experiment]]:
    """The settings that can be paired with the one of most runs, and the other experiments."""
    data = IMAGES.as_posix()
    [(most, _)] = Counter(e.outs[data] for e in experiments).most_common(1)
    settings = group_runs([e for e in experiments if e.outs[data] == most])
    reference = max(settings, key=lambda setting: len(setting.runs))
    kept = [s for s in settings if s is reference or pair_runs(s, reference)]
    fitting = [run for setting in kept for run in setting.runs]
    return group_runs(fitting), [e for e in experiments if e not in fitting]


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
