"""Does a confidence of 0.8 mean right in 8 cases of 10?"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram, lowest confidence first; each array is (bins,)."""

    lower: np.ndarray  # a bin holds confidences above `lower`
    upper: np.ndarray  # and up to `upper`
    count: np.ndarray  # int64, images
    confidence: np.ndarray  # mean of the bin; NaN where it is empty
    accuracy: np.ndarray  # share of right answers; NaN where it is empty


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> Reliability:
    """Images sorted into equal bins of the top class's probability (Guo et al. 2017, sec. 2).

    probabilities: float (N, C); truth: int (N,).
    """
    top = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    # Softmax rows may exceed 1 by a rounding error, and 0 belongs to the first bin.
    place = np.clip(np.searchsorted(edges, top, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, top, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    return Reliability(edges[:-1], edges[1:], count, confidence, accuracy)


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> float:
    """Σ_b n_b / n · |accuracy_b - confidence_b|, in [0, 1] (Guo et al. 2017, eq. 3)."""
    found = reliability(probabilities, truth, bins)
    full = found.count > 0
    gap = np.abs(found.accuracy[full] - found.confidence[full])
    return float(np.sum(found.count[full] * gap) / len(truth))
