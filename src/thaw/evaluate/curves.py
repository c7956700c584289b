"""The tables behind the plots, made of predictions: small, and true to what they stand for."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from thaw.evaluate.calibration import reliability
from thaw.evaluate.metrics import per_class, positives
from thaw.evaluate.predictions import Predictions

TOLERANCE = 0.001  # of an axis from 0 to 1: a third of a pixel as DVC draws it


def tables(test: Predictions, bins: int) -> dict[str, pd.DataFrame]:
    """Every table that the predictions determine, by name."""
    return {
        "roc": roc(test),
        "precision_recall": precision_recall(test),
        "confusion": confusion(test),
        "calibration": calibration(test, bins),
        "per_class": class_table(test),
    }


def roc(test: Predictions) -> pd.DataFrame:
    """Columns class, false_positive_rate, true_positive_rate: one curve a class, as they rise."""
    curves = []
    for label, truth, scores in one_against_rest(test):
        false, true, _ = roc_curve(truth, scores)
        curves.append(curve(label, false_positive_rate=false, true_positive_rate=true))
    return pd.concat(curves, ignore_index=True)


def precision_recall(test: Predictions) -> pd.DataFrame:
    """Columns class, recall, precision: one curve a class, by rising recall."""
    curves = []
    for label, truth, scores in one_against_rest(test):
        precision, recall, _ = precision_recall_curve(truth, scores)
        curves.append(curve(label, recall=recall[::-1], precision=precision[::-1]))
    return pd.concat(curves, ignore_index=True)


def one_against_rest(test: Predictions) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For each class with a curve: its name, where it is true, and its probability."""
    for k in positives(len(test.labels)):
        yield test.labels[k], test.truth == k, test.probabilities[:, k]


def curve(label: str, **axes: np.ndarray) -> pd.DataFrame:
    """One class's curve, without the points that nobody would see."""
    x, y = axes.values()
    kept = simplify(x, y)
    return pd.DataFrame({"class": label} | {name: axis[kept] for name, axis in axes.items()})


def simplify(x: np.ndarray, y: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Indices of the points that keep a line within `tolerance` (Douglas and Peucker 1973).

    Every dropped point lies at most `tolerance` from the straight line between the kept points
    around it; the first and the last are kept.
    """
    points = np.stack([x, y], axis=1).astype(np.float64)
    kept = {0, len(points) - 1}
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        away = distances(points[first + 1 : last], points[first], points[last])
        farthest = first + 1 + int(away.argmax())
        if away.max() > tolerance:
            kept.add(farthest)
            spans += [(first, farthest), (farthest, last)]
    return np.array(sorted(kept))


def distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How far each of the points (N, 2) is from the straight line between `start` and `end`."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    return np.hypot(*(points - start - share[:, None] * along).T)


def confusion(test: Predictions) -> pd.DataFrame:
    """Columns actual, predicted: one row an image, which is what DVC's template counts."""
    labels = np.array(test.labels, dtype=object)
    table = pd.DataFrame({"actual": labels[test.truth], "predicted": labels[test.predicted]})
    return table.sort_values(["actual", "predicted"], ignore_index=True)


def calibration(test: Predictions, bins: int) -> pd.DataFrame:
    """Columns lower, upper, count, confidence, accuracy: the bins that hold images."""
    table = pd.DataFrame(vars(reliability(test.probabilities, test.truth, bins)))
    return table[table["count"] > 0].reset_index(drop=True)


def class_table(test: Predictions) -> pd.DataFrame:
    """Columns class, precision, recall, f1, support."""
    classes = dict(per_class(test.truth, test.probabilities, test.labels))["classes"]
    table = pd.DataFrame.from_dict(classes, orient="index")
    return table.rename_axis("class").reset_index()
