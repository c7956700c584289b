"""Compute the reliability diagram and the expected calibration error."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram, by rising confidence; each array is (bins,)."""

    lower: np.ndarray  # exclusive
    upper: np.ndarray  # inclusive
    count: np.ndarray  # int64, number of images
    confidence: np.ndarray  # mean in the bin; NaN if it is empty
    accuracy: np.ndarray  # NaN if the bin is empty


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> Reliability:
    """Bin images by the probability of the predicted class (Guo et al. 2017, section 2).

    probabilities: float (N, C); truth: int (N,). The bins have equal widths.
    """
    confidences = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    # Softmax may exceed 1 by a rounding error, and 0 belongs to the first bin.
    index = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(index, confidences, bins) / count
        accuracy = np.bincount(index, correct, bins) / count
    return Reliability(edges[:-1], edges[1:], count, confidence, accuracy)


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> float:
    """Σ_b n_b / n · |accuracy_b - confidence_b|, in [0, 1] (Guo et al. 2017, eq. 3)."""
    diagram = reliability(probabilities, truth, bins)
    used = diagram.count > 0
    gap = np.abs(diagram.accuracy[used] - diagram.confidence[used])
    return float(np.sum(diagram.count[used] * gap) / len(truth))
