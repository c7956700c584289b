"""Measure how well probabilities are calibrated.

Shapes: probabilities, float (N, C); truth, int (N,), class indices.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thaw.temperature import log

DRAWS = 1_000  # of the bootstrap


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

    The bins have equal widths.
    """
    confidences, correct = _confidences(probabilities, truth)
    index, edges = bin_by_width(confidences, bins), np.linspace(0, 1, bins + 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(index, confidences, bins) / count
        accuracy = np.bincount(index, correct, bins) / count
    return Reliability(edges[:-1], edges[1:], count, confidence, accuracy)


def _confidences(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability of the predicted class, float64 (N,), and whether it is right, bool (N,)."""
    return (
        probabilities.max(axis=1).astype(np.float64),
        probabilities.argmax(axis=1) == truth,
    )


def bin_by_width(confidences: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each image, int (N,); the bins divide [0, 1] equally."""
    edges = np.linspace(0, 1, bins + 1)
    # Softmax may exceed 1 by a rounding error, and 0 belongs to the first bin.
    return np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)


def _bin_by_rank(confidences: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each image, int (N,); the bins hold equally many (Nguyen & O'Connor 2015)."""
    ranks = np.argsort(np.argsort(confidences, kind="stable"), kind="stable")
    return ranks * min(bins, len(ranks)) // len(ranks)


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> float:
    """Σ_b n_b / n · |accuracy_b - confidence_b|, in [0, 1] (Guo et al. 2017, eq. 3)."""
    confidences, correct = _confidences(probabilities, truth)
    gaps = np.bincount(bin_by_width(confidences, bins), correct - confidences, bins)
    return float(np.abs(gaps).sum() / len(truth))


def calibration_metrics(
    probabilities: np.ndarray, truth: np.ndarray, bins: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """ECE of bins of equal width and of equal count, Brier score and NLL, each with an interval.

    Brier (1950) as the sum over classes, in [0, 2]; NLL in nats. The intervals are 95 % percentile
    intervals of the bootstrap (Efron 1979). An ECE is biased upwards, the more the fewer images
    there are, and resampling adds to that: its interval is wide on the upper side.
    """
    confidences, correct = _confidences(probabilities, truth)
    hits = np.eye(probabilities.shape[1])[truth]
    of_truth = log(probabilities[np.arange(len(truth)), truth]).astype(np.float64)
    gaps = (correct - confidences)[:, None]
    terms = {
        "ece": gaps * np.eye(bins)[bin_by_width(confidences, bins)],
        "ece_adaptive": gaps * np.eye(bins)[_bin_by_rank(confidences, bins)],
        "brier": np.sum((probabilities - hits) ** 2, axis=1, keepdims=True),
        "nll": -of_truth[:, None],
    }
    for name, low, high in zip(terms, *_bootstrap_intervals(list(terms.values()))):
        value = float(np.abs(terms[name].mean(axis=0)).sum())
        yield name, {"value": value, "low": low, "high": high}


def _bootstrap_intervals(terms: list[np.ndarray]) -> list[list[float]]:
    """Lower and upper ends of the 95 % percentile intervals of Σ_k |mean of column k| of each term.

    terms: (N, K) each; rows are images, which are resampled.
    """
    joined, starts = np.hstack(terms), np.cumsum([0, *(term.shape[1] for term in terms[:-1])])
    rng, count = np.random.default_rng(0), len(joined)
    found = np.empty((DRAWS, len(terms)))
    for draw in range(DRAWS):
        weights = np.bincount(rng.integers(count, size=count), minlength=count)
        found[draw] = np.add.reduceat(np.abs(weights @ joined), starts) / count
    return [ends.tolist() for ends in np.percentile(found, [2.5, 97.5], axis=0)]
