"""Measure how well a score tells images of the classes from others."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score


def unknown_metrics(
    scores: np.ndarray, limit: float, others: np.ndarray | None
) -> Iterator[tuple[str, Any]]:
    """The limit, and the shares that it refuses, with 95 % intervals.

    scores: float (N,), unknown scores of test images, the larger, the stranger. others: those of
    images that show none of the classes, float (M,), if there are any; then also the area under
    the ROC curve.
    """
    yield "limit", limit
    yield "refused", refused(scores, limit)
    if others is not None:
        yield "others_refused", refused(others, limit)
        yield "others_n", len(others)
        yield "roc_auc", separation(scores, others)


def refused(scores: np.ndarray, limit: float) -> dict[str, float]:
    """The share of scores above the limit, with its 95 % Wilson interval (Wilson 1927)."""
    above = int(np.sum(scores > limit))
    interval = binomtest(above, len(scores)).proportion_ci(0.95, method="wilson")
    return {
        "value": above / len(scores),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def separation(scores: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """The area under the ROC curve, with its 95 % interval (Hanley & McNeil 1982, eq. 1 and 2)."""
    is_other = np.repeat([False, True], [len(scores), len(others)])
    area = float(roc_auc_score(is_other, np.concatenate([scores, others])))
    by_other, by_known = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    spread = area * (1 - area) + (len(others) - 1) * by_other + (len(scores) - 1) * by_known
    half = 1.959964 * math.sqrt(spread / (len(scores) * len(others)))
    return {"value": area, "low": max(0.0, area - half), "high": min(1.0, area + half)}
