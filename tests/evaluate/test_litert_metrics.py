"""The LiteRT file is compared with the bundle image by image, by the answers of its rule."""

import numpy as np
import pytest

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.evaluate.litert import litert_metrics


class Device:
    """Answers an image, whose first value is its number, with the probabilities of that number."""

    megabytes = 1.5

    def __init__(self, probabilities):
        self.probabilities = probabilities

    def predict(self, image):
        return {"probabilities": self.probabilities[image[0, 0, 0]]}


@pytest.fixture
def compared(make_predictions):
    """A function from changes of the bundle's probabilities to the metrics."""
    test = make_predictions(classes=2).subset("test")
    images = np.zeros((len(test.names), 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(images))

    def compare(change, rule):
        return dict(litert_metrics(Device(change(test.probabilities)), images, test, rule))

    return compare


def test_the_same_probabilities_are_the_same_answers(compared):
    expected = {"labels_equal": 60, "n": 60, "largest_difference": 0.0, "megabytes": 1.5}
    assert compared(np.copy, DecisionRule(threshold=0.4)) == expected


def test_other_answers_are_counted_by_the_rule_of_the_bundle(compared):
    def more_of_the_second(probabilities):
        moved = np.clip(probabilities[:, 1] + np.float32(0.1), 0, 1)
        return np.stack([1 - moved, moved], axis=1)

    found = compared(more_of_the_second, DecisionRule(threshold=0.5))
    assert found["largest_difference"] == pytest.approx(0.1, abs=1e-6)
    assert found["labels_equal"] < 60
    assert compared(more_of_the_second, DecisionRule(threshold=0.0))["labels_equal"] == 60


def test_a_probability_that_is_not_finite_is_one_line(compared):
    with pytest.raises(ThawError, match="probabilities must be finite, but some of the LiteRT"):
        compared(lambda probabilities: np.full_like(probabilities, np.nan), DecisionRule())
