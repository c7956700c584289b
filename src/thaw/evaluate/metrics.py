"""Compute metrics of a classifier: pure functions over arrays that yield (name, value).

Shapes: truth, int (N,), class indices; probabilities, float (N, C); labels, C class names.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from thaw.evaluate.calibration import DRAWS, calibration_metrics, expected_calibration_error
from thaw.evaluate.predictions import Predictions
from thaw.temperature import log, with_temperature

Metrics = Iterator[tuple[str, Any]]
HEADLINE = (
    *("accuracy", "accuracy_low", "accuracy_high", "val_accuracy", "loss"),
    *("roc_auc", "f1", "ece", "n"),
)  # of metrics/eval.json, as many as `dvc metrics show` fits in 120 columns; the rest are details


def evaluate(val: Predictions, test: Predictions, bins: int) -> Metrics:
    """All metrics that depend on predictions.

    All are on `test`, except val_accuracy. No choice uses `test`.
    """
    yield from accuracy(test.truth, test.probabilities)
    yield from loss(test.truth, test.probabilities)
    yield from ranking(test.truth, test.probabilities)
    yield "ece", expected_calibration_error(test.probabilities, test.truth, bins)
    yield from per_class(test.truth, test.probabilities, test.labels)
    low, high = f1_interval(test.truth, test.predicted, len(test.labels))
    yield from (("f1_low", low), ("f1_high", high))
    yield "n", len(test.truth)
    yield "val_accuracy", float(np.mean(val.predicted == val.truth))


def calibration_report(test: Predictions, temperature: float, bins: int) -> Metrics:
    """The temperature, and how well calibrated `test` is with and without it.

    With test-time augmentation the latter is what a temperature undone after averaging gives.
    """
    yield "temperature", temperature
    before = with_temperature(test.probabilities, 1 / temperature)
    for when, probabilities in (("after", test.probabilities), ("before", before)):
        yield when, dict(calibration_metrics(probabilities, test.truth, bins))


def accuracy(truth: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Accuracy with its 95 % Wilson interval (Wilson 1927)."""
    found = share(probabilities.argmax(axis=1) == truth)
    yield "accuracy", found["value"]
    yield "accuracy_low", found["low"]
    yield "accuracy_high", found["high"]


def share(hits: np.ndarray) -> dict[str, float]:
    """The share of `hits`, bool (N,), that are true, and its 95 % interval (Wilson 1927)."""
    count = int(np.sum(hits))
    interval = binomtest(count, len(hits)).proportion_ci(0.95, method="wilson")
    return {
        "value": count / len(hits),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def loss(truth: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Mean negative log-likelihood, in nats."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    yield "loss", float(-np.mean(log(of_truth), dtype=np.float64))


def ranking(truth: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Area under the ROC curve of the second class; of more than two, the one-vs-rest average."""
    areas = [
        roc_auc_score(truth == k, probabilities[:, k]) for k in positives(probabilities.shape[1])
    ]
    yield "roc_auc", float(np.mean(areas))


def area_interval(area: float, first: int, second: int) -> tuple[float, float]:
    """95 % interval of an area under the ROC curve (Hanley & McNeil 1982, eq. 1 and 2).

    first, second: number of images of the two kinds.
    """
    of_second, of_first = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    spread = area * (1 - area) + (second - 1) * of_second + (first - 1) * of_first
    half = 1.959964 * math.sqrt(spread / (first * second))
    return max(0.0, area - half), min(1.0, area + half)


def positives(classes: int) -> list[int]:
    """The classes that have a curve: the second of two, or all of more than two."""
    return [1] if classes == 2 else list(range(classes))


def per_class(truth: np.ndarray, probabilities: np.ndarray, labels: list[str]) -> Metrics:
    """Precision, recall and F1: macro averages and per class; 0 where undefined."""
    columns = precision_recall_fscore_support(
        truth, probabilities.argmax(axis=1), labels=range(len(labels)), zero_division=0
    )
    names = ("precision", "recall", "f1")
    for name, values in zip(names, columns, strict=False):
        yield name, float(np.mean(values))
    yield (
        "classes",
        {
            label: dict(zip(names, map(float, values), strict=True)) | {"support": int(support)}
            for label, *values, support in zip(labels, *columns, strict=True)
        },
    )


def f1_interval(truth: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[float, float]:
    """95 % percentile interval of the macro F1 over resampled images (Efron 1979).

    A class that a resample lacks, and that is not predicted there, is left out of its mean.
    """
    cells, counts = np.unique(truth * classes + predicted, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(truth), counts / len(truth), DRAWS)
    of_truth, of_predicted = np.eye(classes)[cells // classes], np.eye(classes)[cells % classes]
    both = drawn @ of_truth + drawn @ of_predicted  # (DRAWS, classes)
    with np.errstate(invalid="ignore"):
        scores = 2 * (drawn @ (of_truth * of_predicted)) / both
    low, high = np.percentile(np.nanmean(scores, axis=1), [2.5, 97.5])
    return float(low), float(high)
