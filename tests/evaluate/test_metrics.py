"""Metrics against scikit-learn, formulas and values computed by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from thaw.errors import ThawError
from thaw.evaluate.metrics import evaluate, f1_interval, per_class

KEYS = [
    *("accuracy", "accuracy_low", "accuracy_high", "loss", "roc_auc", "ece"),
    *("precision", "recall", "f1", "classes", "f1_low", "f1_high", "n", "val_accuracy"),
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


def test_the_interval_of_f1_covers_that_of_new_images_about_as_often_as_it_says(make_predictions):
    many = make_predictions(4, 40_000, skill=1.5).subset("test")
    expected = dict(per_class(many.truth, many.probabilities, many.labels))["f1"]
    covered = 0
    for seed in range(1, 101):
        few = make_predictions(4, 120, seed, skill=1.5).subset("test")
        low, high = f1_interval(few.truth, few.predicted, 4)
        covered += low <= expected <= high
    assert 88 <= covered <= 100


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
