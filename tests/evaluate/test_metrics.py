"""Metrics against scikit-learn, formulas and values computed by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from thaw.errors import ThawError
from thaw.evaluate.metrics import best_threshold, evaluate

KEYS = [
    *("accuracy", "accuracy_low", "accuracy_high", "loss", "roc_auc", "ece", "threshold"),
    *("accuracy_at_threshold", "precision", "recall", "f1", "classes", "n", "val_accuracy"),
]


def measure(predictions, bins=10):
    return dict(evaluate(predictions.subset("val"), predictions.subset("test"), bins))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(8, 80), st.integers(0, 99), st.floats(0, 20))
def test_metrics_equal_those_of_scikit_learn(make_predictions, classes, n, seed, skill):
    predictions = make_predictions(classes, n, seed, skill)
    test = predictions.subset("test")
    found = measure(predictions)
    assert list(found) == KEYS
    exact = test.probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    assert found["accuracy"] == reference.accuracy_score(test.truth, test.predicted)
    assert found["loss"] == pytest.approx(reference.log_loss(test.truth, exact), abs=1e-5)
    scores = exact[:, 1] if classes == 2 else exact
    area = reference.roc_auc_score(test.truth, scores, multi_class="ovr")
    assert found["roc_auc"] == pytest.approx(area, abs=1e-3)
    report = reference.classification_report(
        test.truth, test.predicted, target_names=test.labels, output_dict=True, zero_division=0
    )
    for name, theirs in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
        assert found[name] == pytest.approx(report["macro avg"][theirs])
        for label in test.labels:
            assert found["classes"][label][name] == pytest.approx(report[label][theirs])
    assert sum(of["support"] for of in found["classes"].values()) == found["n"] == n
    assert all(math.isfinite(found[name]) for name in KEYS[:6])


def test_the_interval_is_the_wilson_interval(make_predictions):
    predictions = make_predictions(2, 200, seed=3)
    found = measure(predictions)
    n, p, z = 200, found["accuracy"], 1.959963984540054
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found["accuracy_low"] == pytest.approx(middle - half)
    assert found["accuracy_high"] == pytest.approx(middle + half)


def test_the_threshold_by_hand():
    truth = np.array([0, 0, 1, 1])
    # Any threshold between 0.2 and 0.7 classifies all four correctly; one candidate is there.
    assert best_threshold(truth, np.array([0.1, 0.2, 0.7, 0.9])) == pytest.approx(0.45)
    # 0.35 and 0.75 both classify three of four correctly; 0.35 is closer to 0.5.
    assert best_threshold(truth, np.array([0.3, 0.7, 0.4, 0.8])) == pytest.approx(0.35)
    # All are class 1, so the best candidate is between 0 and the lowest score.
    assert best_threshold(np.ones(2, int), np.array([0.2, 0.3])) == pytest.approx(0.1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=30))
def test_no_threshold_beats_the_chosen_one(cases):
    truth = np.array([case[0] for case in cases], dtype=int)
    scores = np.array([case[1] for case in cases], dtype=np.float32)
    chosen = best_threshold(truth, scores)
    best = np.mean((scores.astype(np.float64) > chosen) == truth)
    # All thresholds between consecutive scores are equivalent, so testing the scores is enough.
    for other in scores.astype(np.float64):
        assert np.mean((scores > other) == truth) <= best


def test_the_threshold_does_not_depend_on_test(make_predictions):
    predictions = make_predictions(2)
    test = predictions.split == "test"
    swapped = predictions.probabilities.copy()
    swapped[test] = swapped[test][:, ::-1]
    other = dataclasses.replace(predictions, probabilities=swapped)
    before, after = measure(predictions), measure(other)
    assert before["threshold"] == after["threshold"]
    assert before["val_accuracy"] == after["val_accuracy"]
    assert before["accuracy"] > 0.5 > after["accuracy"]


def test_more_than_two_classes_have_no_threshold(make_predictions):
    found = measure(make_predictions(3))
    assert found["threshold"] is None
    assert found["accuracy_at_threshold"] is None


def test_a_probability_of_zero_for_the_truth_keeps_the_loss_finite(make_predictions):
    predictions = make_predictions(2)
    wrong = np.where(predictions.truth[:, None] == [0, 1], 0, 1).astype(np.float32)
    found = measure(dataclasses.replace(predictions, probabilities=wrong))
    assert found["accuracy"] == 0
    assert 80 < found["loss"] < 100


def test_a_class_without_test_images_is_an_error(make_predictions):
    predictions = make_predictions(3)
    split = np.where(predictions.truth == 1, "val", predictions.split).astype(object)
    with pytest.raises(ThawError, match=r"test must contain every class.*Dog"):
        dataclasses.replace(predictions, split=split).subset("test")
