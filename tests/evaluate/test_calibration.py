"""Calibration against values computed by hand, and properties for random inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss

from thaw.evaluate.calibration import (
    calibration_metrics,
    expected_calibration_error,
    reliability,
)
from thaw.temperature import fit_temperature, with_temperature


def binary(top):
    """Probabilities of two classes, `top` for class 0."""
    top = np.array(top)
    return np.stack([top, 1 - top], axis=1)


def test_by_hand():
    probabilities = binary([0.55, 0.6, 0.95, 1.0])
    truth = np.array([0, 1, 0, 0])
    diagram = reliability(probabilities, truth, 5)
    assert diagram.count.tolist() == [0, 0, 2, 0, 2]  # 0.6 is the upper end of its bin
    np.testing.assert_allclose(diagram.confidence[[2, 4]], [0.575, 0.975])
    np.testing.assert_allclose(diagram.accuracy[[2, 4]], [0.5, 1.0])
    error = expected_calibration_error(probabilities, truth, 5)
    assert error == pytest.approx(0.5 * 0.075 + 0.5 * 0.025)


def test_full_confidence_at_half_accuracy_has_an_error_of_a_half():
    probabilities = binary([1.0] * 10)
    assert expected_calibration_error(probabilities, np.arange(10) % 2, 10) == 0.5


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.5, 1, width=32), st.integers(0, 1)), min_size=1, max_size=40),
    st.integers(2, 20),
)
def test_every_image_is_in_one_bin(cases, bins):
    probabilities = binary([case[0] for case in cases])
    truth = np.array([case[1] for case in cases])
    diagram = reliability(probabilities, truth, bins)
    assert diagram.count.sum() == len(cases)
    used = diagram.count > 0
    assert (diagram.confidence[used] > diagram.lower[used] - 1e-9).all()
    assert (diagram.confidence[used] < diagram.upper[used] + 1e-9).all()
    assert np.isnan(diagram.accuracy[~used]).all()
    assert 0 <= expected_calibration_error(probabilities, truth, bins) <= 1
    # With one bin, the error is the gap between mean confidence and accuracy.
    gap = abs(probabilities.max(axis=1).mean() - np.mean(probabilities.argmax(axis=1) == truth))
    assert expected_calibration_error(probabilities, truth, 1) == pytest.approx(gap)


def spoilt(classes, count, factor, seed=0):
    """Probabilities whose scores were multiplied by `factor` after the truth was drawn of them."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (count, classes))
    honest = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(classes, p=row) for row in honest])
    return with_temperature(honest, 1 / factor), truth


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("factor", [0.3, 1, 3])
def test_a_temperature_undoes_a_factor(classes, factor):
    probabilities, truth = spoilt(classes, 4000, factor)
    temperature = fit_temperature(probabilities, truth)
    assert temperature == pytest.approx(factor, rel=0.1)
    before, after = (
        dict(calibration_metrics(found, truth, 10))
        for found in (probabilities, with_temperature(probabilities, temperature))
    )
    assert after["ece"]["value"] < 0.03
    assert after["nll"]["value"] <= before["nll"]["value"] + 1e-6
    if factor != 1:
        assert before["ece"]["low"] > after["ece"]["high"]


def test_the_temperature_is_that_of_scikit_learn():
    probabilities, truth = spoilt(3, 20_000, 2)
    scores = np.log(probabilities)

    class Scores(ClassifierMixin, BaseEstimator):
        """Gives the scores that it is asked about."""

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return X.argmax(axis=1)

        def decision_function(self, X):
            return X

    frozen = FrozenEstimator(Scores().fit(scores, truth))
    theirs = CalibratedClassifierCV(frozen, method="temperature").fit(scores, truth)
    found = with_temperature(probabilities, fit_temperature(probabilities, truth))
    np.testing.assert_allclose(found, theirs.predict_proba(scores), atol=2e-3)


def test_a_few_images_all_right_do_not_make_every_answer_certain():
    probabilities = binary([0.9, 0.8, 0.85, 0.95])
    temperature = fit_temperature(probabilities, np.zeros(4, int))
    assert with_temperature(probabilities, temperature).max() < 0.99


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(20, 80), st.integers(0, 99))
def test_calibration_metrics_agree_with_their_definitions(make_predictions, classes, n, seed):
    test = make_predictions(classes, n, seed).subset("test")
    found = dict(calibration_metrics(test.probabilities, test.truth, 10))
    for measure in found.values():
        assert 0 <= measure["low"] <= measure["high"]
    expected = brier_score_loss(test.truth, test.probabilities, labels=range(classes))
    scale = 2 if classes == 2 else 1  # of two classes scikit-learn takes one
    assert found["brier"]["value"] == pytest.approx(scale * expected, rel=1e-4)
    error = expected_calibration_error(test.probabilities, test.truth, 10)
    assert found["ece"]["value"] == pytest.approx(error)
    # With as many bins as images, each bin is an image.
    each = dict(calibration_metrics(test.probabilities, test.truth, n))["ece_adaptive"]
    confidence = test.probabilities.max(axis=1)
    gaps = np.abs(confidence - (test.predicted == test.truth))
    assert each["value"] == pytest.approx(gaps.mean(), abs=1e-6)
