"""Mistakes are found, filtered and ordered, and confused classes counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaw.evaluate.mistakes import confused_pairs, confusion_matrix, worst_mistakes
from thaw.evaluate.predictions import Predictions

LABELS = ["Cat", "Dog", "Fox"]


@st.composite
def predictions(draw):
    rows = st.tuples(st.integers(0, 2), *3 * [st.integers(1, 9)])
    found = np.array(draw(st.lists(rows, max_size=30)), dtype=np.int64).reshape(-1, 4)
    probabilities = (found[:, 1:] / found[:, 1:].sum(axis=1, keepdims=True)).astype(np.float32)
    names = [f"{number}.jpg" for number in range(len(found))]
    return Predictions(LABELS, names, np.full(len(found), "test"), found[:, 0], probabilities)


CLASS = st.sampled_from([None, *LABELS])


@given(predictions(), CLASS, CLASS, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_all_that_is_asked_for_and_nothing_else(test, truth, answer, confidence):
    found = worst_mistakes(test, None, truth, answer, confidence).tolist()
    expected = [
        index
        for index, (true, row) in enumerate(zip(test.truth, test.probabilities, strict=True))
        if true != row.argmax()
        and truth in (None, LABELS[true])
        and answer in (None, LABELS[row.argmax()])
        and confidence[0] <= row.max() <= confidence[1]
    ]
    assert sorted(found) == expected
    confidences = test.probabilities.max(axis=1)[found].tolist()
    assert confidences == sorted(confidences, reverse=True)
    assert worst_mistakes(test, 2, truth, answer, confidence).tolist() == found[:2]


@given(predictions())
def test_confused_pairs_hold_every_mistake_once(test):
    pairs = confused_pairs(confusion_matrix(test), LABELS)
    assert sum(pair.images for pair in pairs) == len(worst_mistakes(test))
    assert [pair.images for pair in pairs] == sorted((p.images for p in pairs), reverse=True)
    for pair in pairs:
        assert pair.images == len(worst_mistakes(test, None, pair.truth, pair.answer)) > 0
        assert pair.of == (test.truth == LABELS.index(pair.truth)).sum()


def test_a_class_that_is_not_there_is_a_mistake_of_the_program(make_predictions):
    with pytest.raises(ValueError):
        worst_mistakes(make_predictions(), truth="Zebra")
