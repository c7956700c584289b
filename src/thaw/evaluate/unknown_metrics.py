"""Measure how well a score tells images of the classes from others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from thaw.evaluate.metrics import area_interval, share


def unknown_metrics(
    scores: np.ndarray, limit: float, others: np.ndarray | None
) -> Iterator[tuple[str, Any]]:
    """The limit, and the shares that it refuses, with 95 % intervals.

    scores: float (N,), unknown scores of test images, the larger, the stranger. others: those of
    images that show none of the classes, float (M,), if there are any; then also the area under
    the ROC curve.
    """
    yield "limit", limit
    yield "refused", share(scores > limit)
    if others is not None:
        yield "others_refused", share(others > limit)
        yield "others_n", len(others)
        yield "roc_auc", separation(scores, others)


def separation(scores: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """The area under the ROC curve, with its 95 % interval."""
    is_other = np.repeat([False, True], [len(scores), len(others)])
    area = float(roc_auc_score(is_other, np.concatenate([scores, others])))
    low, high = area_interval(area, len(scores), len(others))
    return {"value": area, "low": low, "high": high}
