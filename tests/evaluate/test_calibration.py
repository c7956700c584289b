"""Calibration worked by hand, and what holds for every input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaw.evaluate.calibration import expected_calibration_error, reliability


def two(top):
    """Confident by `top` in class 0."""
    top = np.array(top)
    return np.stack([top, 1 - top], axis=1)


def test_by_hand():
    probabilities = two([0.55, 0.6, 0.95, 1.0])
    truth = np.array([0, 1, 0, 0])
    found = reliability(probabilities, truth, 5)
    assert found.count.tolist() == [0, 0, 2, 0, 2]  # 0.6 is the upper end of its bin
    np.testing.assert_allclose(found.confidence[[2, 4]], [0.575, 0.975])
    np.testing.assert_allclose(found.accuracy[[2, 4]], [0.5, 1.0])
    error = expected_calibration_error(probabilities, truth, 5)
    assert error == pytest.approx(0.5 * 0.075 + 0.5 * 0.025)


def test_always_sure_and_half_right_is_off_by_a_half():
    probabilities = two([1.0] * 10)
    assert expected_calibration_error(probabilities, np.arange(10) % 2, 10) == 0.5


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.5, 1, width=32), st.integers(0, 1)), min_size=1, max_size=40),
    st.integers(2, 20),
)
def test_every_image_has_its_bin(cases, bins):
    probabilities = two([case[0] for case in cases])
    truth = np.array([case[1] for case in cases])
    found = reliability(probabilities, truth, bins)
    assert found.count.sum() == len(cases)
    full = found.count > 0
    assert (found.confidence[full] > found.lower[full] - 1e-9).all()
    assert (found.confidence[full] < found.upper[full] + 1e-9).all()
    assert np.isnan(found.accuracy[~full]).all()
    assert 0 <= expected_calibration_error(probabilities, truth, bins) <= 1
    # With one bin, the error is the gap between mean confidence and accuracy.
    gap = abs(probabilities.max(axis=1).mean() - np.mean(probabilities.argmax(axis=1) == truth))
    assert expected_calibration_error(probabilities, truth, 1) == pytest.approx(gap)
