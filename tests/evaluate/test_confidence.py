"""What a confidence means is counted on the bundle's own answers to test images."""

import numpy as np
import pytest

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.evaluate.confidence import KnownAnswers, read_known_answers
from thaw.evaluate.metrics import share
from thaw.evaluate.predictions import Predictions, write_predictions
from thaw.files import write_json
from thaw.paths import BUNDLE_METRICS, PREDICTIONS

RULE = DecisionRule()


def predictions(second, truth, scores=None):
    """Of two classes; `second`: probabilities of the second."""
    second = np.float32(second)
    names = [f"{n}.png" for n in range(len(second))]
    split = np.full(len(second), "test", dtype=object)
    probabilities = np.stack([1 - second, second], axis=1)
    scores = None if scores is None else np.float32(scores)
    return Predictions(["Cat", "Dog"], names, split, np.array(truth), probabilities, scores)


def test_those_in_the_same_tenth_are_counted():
    test = predictions([0.95, 0.92, 0.08, 0.91, 0.75], [1, 0, 0, 1, 1])
    found = KnownAnswers.of(test, RULE, np.inf).alike(0.99)
    assert (found.lower, found.upper, found.right, found.of) == (0.9, 1.0, 3, 4)
    interval = share(np.array([True, True, True, False]))
    assert (found.low, found.high) == (interval["low"], interval["high"])


def test_without_any_there_is_nothing():
    assert KnownAnswers.of(predictions([0.95], [1]), RULE, np.inf).alike(0.55) is None


def test_the_answer_is_that_of_the_rule():
    test = predictions([0.45, 0.3], [1, 0])
    found = KnownAnswers.of(test, DecisionRule(threshold=0.4), np.inf)
    np.testing.assert_allclose(found.confidences, [0.45, 0.7], atol=1e-6)
    assert found.right.tolist() == [True, True]


def test_images_refused_as_unknown_do_not_count():
    test = predictions([0.95, 0.95], [1, 0], [0.1, 0.9])
    assert KnownAnswers.of(test, RULE, 0.5).alike(0.95).of == 1


def test_they_must_be_of_the_bundle_that_answers(tmp_path):
    with pytest.raises(ThawError, match="no answers yet"):
        read_known_answers(tmp_path, "a", RULE, np.inf)
    write_predictions(tmp_path / PREDICTIONS, predictions([0.95, 0.05], [1, 0]))
    write_json(tmp_path / BUNDLE_METRICS, {"bundle": "a", "metrics": {}})
    assert read_known_answers(tmp_path, "a", RULE, np.inf).alike(0.95).right == 2
    with pytest.raises(ThawError, match="by another"):
        read_known_answers(tmp_path, "b", RULE, np.inf)
