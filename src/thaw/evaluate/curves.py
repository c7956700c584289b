"""Compute the tables behind the plots from predictions."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from thaw.decision import DecisionRule
from thaw.evaluate.calibration import reliability
from thaw.evaluate.decision_metrics import risk_coverage
from thaw.evaluate.metrics import per_class, positives
from thaw.evaluate.predictions import Predictions
from thaw.temperature import with_temperature

MOST_POINTS = 200  # of the risk–coverage curve, more than a plot resolves


def tables(
    test: Predictions, bins: int, temperature: float, rule: DecisionRule
) -> dict[str, pd.DataFrame]:
    """All tables of the test predictions, by name.

    bins: of the reliability diagram. temperature, rule: of the bundle.
    """
    return {
        "roc": roc(test),
        "precision_recall": precision_recall(test),
        "confusion": confusion(test),
        "calibration": calibration(test, bins, temperature),
        "risk_coverage": risk_coverage(rule, test).iloc[_evenly(len(test.truth))],
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


def calibration(test: Predictions, bins: int, temperature: float) -> pd.DataFrame:
    """The non-empty bins of the reliability diagram, by confidence, after and before calibration.

    Columns calibration, lower, upper, count, confidence, accuracy.
    """
    before = with_temperature(test.probabilities, 1 / temperature)
    found = []
    for when, probabilities in (("after", test.probabilities), ("before", before)):
        table = pd.DataFrame(vars(reliability(probabilities, test.truth, bins)))
        table.insert(0, "calibration", when)
        found.append(table[table["count"] > 0])
    return pd.concat(found, ignore_index=True)


def _evenly(count: int) -> np.ndarray:
    """Indices of at most MOST_POINTS of `count` rows, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, MOST_POINTS).round().astype(int))


def class_table(test: Predictions) -> pd.DataFrame:
    """Columns class, precision, recall, f1, support."""
    classes = dict(per_class(test.truth, test.probabilities, test.labels))["classes"]
    table = pd.DataFrame.from_dict(classes, orient="index")
    return table.rename_axis("class").reset_index()
