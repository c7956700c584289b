"""Compute the tables behind the plots from predictions."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from thaw.evaluate.calibration import reliability
from thaw.evaluate.metrics import per_class, positives
from thaw.evaluate.predictions import Predictions


def tables(test: Predictions, bins: int) -> dict[str, pd.DataFrame]:
    """All tables of the test predictions, by name; bins: of the reliability diagram."""
    return {
        "roc": roc(test),
        "precision_recall": precision_recall(test),
        "confusion": confusion(test),
        "calibration": calibration(test, bins),
        "per_class": class_table(test),
    }


def roc(test: Predictions) -> pd.DataFrame:
    """Columns class, false_positive_rate, true_positive_rate: one ROC curve per class."""
    curves = []
    for label, truth, scores in one_vs_rest(test):
        false, true, _ = roc_curve(truth, scores, drop_intermediate=True)
        rates = {"false_positive_rate": false, "true_positive_rate": true}
        curves.append(pd.DataFrame({"class": label} | rates))
    return pd.concat(curves, ignore_index=True)


def precision_recall(test: Predictions) -> pd.DataFrame:
    """Columns class, recall, precision: one curve per class, by rising recall."""
    curves = []
    for label, truth, scores in one_vs_rest(test):
        precision, recall, _ = precision_recall_curve(truth, scores, drop_intermediate=True)
        points = {"recall": recall[::-1], "precision": precision[::-1]}
        curves.append(pd.DataFrame({"class": label} | points))
    return pd.concat(curves, ignore_index=True)


def one_vs_rest(test: Predictions) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For each class with a curve: its name, whether it is the true class, and its probability."""
    for k in positives(len(test.labels)):
        yield test.labels[k], test.truth == k, test.probabilities[:, k]


def confusion(test: Predictions) -> pd.DataFrame:
    """Columns actual, predicted: one row per image, which DVC's template counts."""
    labels = np.array(test.labels, dtype=object)
    table = pd.DataFrame({"actual": labels[test.truth], "predicted": labels[test.predicted]})
    return table.sort_values(["actual", "predicted"], ignore_index=True)


def calibration(test: Predictions, bins: int) -> pd.DataFrame:
    """Columns lower, upper, count, confidence, accuracy: the non-empty bins, by confidence."""
    table = pd.DataFrame(vars(reliability(test.probabilities, test.truth, bins)))
    return table[table["count"] > 0].reset_index(drop=True)


def class_table(test: Predictions) -> pd.DataFrame:
    """Columns class, precision, recall, f1, support."""
    classes = dict(per_class(test.truth, test.probabilities, test.labels))["classes"]
    table = pd.DataFrame.from_dict(classes, orient="index")
    return table.rename_axis("class").reset_index()
