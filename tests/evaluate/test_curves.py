"""The tables behind the plots."""

import pytest
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

from thaw.evaluate.curves import calibration, class_table, confusion, precision_recall, roc


def test_a_perfect_classifier_has_a_roc_of_three_points(make_predictions):
    table = roc(make_predictions(2, skill=50).subset("test"))
    assert table["false_positive_rate"].tolist() == [0, 0, 1]
    assert table["true_positive_rate"].tolist() == [0, 1, 1]
    assert set(table["class"]) == {"Dog"}


@pytest.mark.parametrize("classes", [2, 4])
def test_curves_drop_points_and_keep_their_area(make_predictions, classes):
    test = make_predictions(classes, n=6000).subset("test")
    curves = roc(test), precision_recall(test)
    shown = test.labels[1:] if classes == 2 else test.labels
    for table in curves:
        assert list(table["class"].unique()) == shown
        assert len(table) < 0.9 * len(test.names) * len(shown)
    for label in shown:
        k = test.labels.index(label)
        _, x, y = (curves[0][curves[0]["class"] == label][name] for name in curves[0])
        area = roc_auc_score(test.truth == k, test.probabilities[:, k])
        assert auc(x, y) == pytest.approx(area, abs=1e-9)
        assert x.is_monotonic_increasing and y.is_monotonic_increasing
        _, x, y = (curves[1][curves[1]["class"] == label][name] for name in curves[1])
        assert x.is_monotonic_increasing
        precision, recall, _ = precision_recall_curve(test.truth == k, test.probabilities[:, k])
        assert auc(x, y) == pytest.approx(auc(recall, precision), abs=1e-9)


def test_confusion_has_a_row_for_each_image(make_predictions):
    test = make_predictions(3).subset("test")
    table = confusion(test)
    assert len(table) == len(test.names)
    right = (table["actual"] == table["predicted"]).sum()
    assert right == (test.predicted == test.truth).sum()


def test_calibration_has_no_empty_bins_and_per_class_has_all_metrics(make_predictions):
    test = make_predictions(2).subset("test")
    table = calibration(test, 10, temperature=0.5)
    assert table.groupby("calibration")["count"].sum().tolist() == [len(test.names)] * 2
    before, after = (table[table["calibration"] == when] for when in ("before", "after"))
    assert before["confidence"].iloc[-1] < after["confidence"].iloc[-1]  # undone, less certain
    assert table["lower"].min() == pytest.approx(0.5)  # the top of two classes has 0.5 or more
    assert not table.isna().any(axis=None)
    classes = class_table(test)
    assert list(classes) == ["class", "precision", "recall", "f1", "support"]
    assert classes["class"].tolist() == test.labels
