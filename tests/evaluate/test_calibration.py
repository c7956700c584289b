"""Calibration against values computed by hand, and properties for random inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaw.evaluate.calibration import expected_calibration_error, reliability


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
