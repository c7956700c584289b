"""The tables behind the plots: small, and true to what they stand for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

from thaw.evaluate.curves import (
    calibration,
    class_table,
    confusion,
    precision_recall,
    roc,
    simplify,
)

COORDINATE = st.floats(0, 1)


@settings(deadline=None)
@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=2, max_size=40), st.floats(0, 0.3))
def test_every_dropped_point_lies_near_the_line_that_is_left(points, tolerance):
    x, y = np.array(points).T
    kept = simplify(x, y, tolerance)
    assert kept[0] == 0 and kept[-1] == len(x) - 1
    assert (np.diff(kept) > 0).all()
    for first, last in itertools.pairwise(kept):
        shares = np.linspace(0, 1, 500)
        line = np.stack([x[first], y[first]]) + shares[:, None] * np.array(
            [x[last] - x[first], y[last] - y[first]]
        )
        for point in range(first + 1, last):
            away = np.hypot(*(line - [x[point], y[point]]).T).min()
            assert away <= tolerance + 0.003


def test_a_straight_line_is_two_points_and_a_corner_three():
    line = np.linspace(0, 1, 100)
    assert simplify(line, line).tolist() == [0, 99]
    assert simplify(np.r_[line, np.ones(100)], np.r_[np.zeros(100), line]).tolist() in (
        [0, 99, 199],
        [0, 100, 199],
    )


def test_a_perfect_classifier_has_a_roc_of_three_points(make_predictions):
    table = roc(make_predictions(2, skill=50).subset("test"))
    assert table["false_positive_rate"].tolist() == [0, 0, 1]
    assert table["true_positive_rate"].tolist() == [0, 1, 1]
    assert set(table["class"]) == {"Dog"}


@pytest.mark.parametrize("classes", [2, 4])
def test_curves_stay_small_and_keep_their_area(make_predictions, classes):
    test = make_predictions(classes, n=6000).subset("test")
    curves = roc(test), precision_recall(test)
    shown = test.labels[1:] if classes == 2 else test.labels
    for table in curves:
        assert list(table["class"].unique()) == shown
        assert len(table) < 400 * len(shown)
    for label in shown:
        k = test.labels.index(label)
        _, x, y = (curves[0][curves[0]["class"] == label][name] for name in curves[0])
        area = roc_auc_score(test.truth == k, test.probabilities[:, k])
        assert auc(x, y) == pytest.approx(area, abs=1e-3)
        assert x.is_monotonic_increasing and y.is_monotonic_increasing
        _, x, y = (curves[1][curves[1]["class"] == label][name] for name in curves[1])
        assert x.is_monotonic_increasing
        precision, recall, _ = precision_recall_curve(test.truth == k, test.probabilities[:, k])
        assert auc(x, y) == pytest.approx(auc(recall, precision), abs=1e-3)


def test_confusion_has_a_row_for_each_image(make_predictions):
    test = make_predictions(3).subset("test")
    table = confusion(test)
    assert len(table) == len(test.names)
    right = (table["actual"] == table["predicted"]).sum()
    assert right == (test.predicted == test.truth).sum()


def test_calibration_leaves_out_empty_bins_and_classes_have_their_measures(make_predictions):
    test = make_predictions(2).subset("test")
    table = calibration(test, 10)
    assert table["count"].sum() == len(test.names)
    assert table["lower"].min() == pytest.approx(0.5)  # of two classes, one has half or more
    assert not table.isna().any(axis=None)
    classes = class_table(test)
    assert list(classes) == ["class", "precision", "recall", "f1", "support"]
    assert classes["class"].tolist() == test.labels
