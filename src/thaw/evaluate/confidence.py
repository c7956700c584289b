"""How often answers of about the same confidence were right, on test images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.evaluate.calibration import bin_by_width
from thaw.evaluate.metrics import share
from thaw.evaluate.predictions import Predictions, read_predictions
from thaw.files import read_json
from thaw.paths import BUNDLE_METRICS, PREDICTIONS

BINS = 10  # of equal width, from 0 to 1


class Alike(NamedTuple):
    """Test images answered with about the same confidence.

    lower, upper: of the confidence; right: how many of those answers, `of`, were; low, high: the
    95 % interval of their share (Wilson 1927).
    """

    lower: float
    upper: float
    right: int
    of: int
    low: float
    high: float


class KnownAnswers(NamedTuple):
    """The answers of a bundle to test images that it did not refuse as unknown."""

    confidences: np.ndarray  # float64 (N,), of the class that was answered
    right: np.ndarray  # bool (N,)

    @classmethod
    def of(cls, test: Predictions, rule: DecisionRule, unknown_limit: float) -> "KnownAnswers":
        """Those to the images of `test`, by the rule and the limit of the bundle."""
        answers, _ = rule.decide(test.probabilities)
        confidences = test.probabilities[np.arange(len(answers)), answers].astype(np.float64)
        known = np.full(len(answers), True)
        if test.unknown_scores is not None:
            known = test.unknown_scores <= unknown_limit
        return cls(confidences[known], (answers == test.truth)[known])

    def alike(self, confidence: float) -> Alike | None:
        """Those with a confidence in the same tenth; None if there are none."""
        index = int(bin_by_width(np.array(confidence), BINS))
        hits = self.right[bin_by_width(self.confidences, BINS) == index]
        if not len(hits):
            return None
        found = share(hits)
        edges = index / BINS, (index + 1) / BINS
        return Alike(*edges, int(hits.sum()), len(hits), found["low"], found["high"])


def read_known_answers(
    root: Path, bundle: str, rule: DecisionRule, unknown_limit: float
) -> KnownAnswers:
    """The answers that the stage evaluate wrote in a repository.

    bundle: the SHA-256 of the bundle that answers now. Raises ThawError if they are missing, or of
    another bundle.
    """
    if not (root / PREDICTIONS).exists() or not (root / BUNDLE_METRICS).exists():
        raise ThawError("the test images have no answers yet: run `dvc repro`")
    if read_json(root / BUNDLE_METRICS)["bundle"] != bundle:
        raise ThawError(
            "the test images must have been answered by the bundle that answers here, but were by "
            "another: run `dvc repro`, and publish the bundle that it makes"
        )
    test = read_predictions(root / PREDICTIONS).subset("test")
    return KnownAnswers.of(test, rule, unknown_limit)
