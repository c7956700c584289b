"""The table of predictions: exact round trip, and errors."""

import dataclasses
import warnings

import numpy as np
import pytest
from damage import assert_noticed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from thaw.errors import ThawError
from thaw.evaluate.predictions import predict, read_predictions, write_predictions
from thaw.serving.predictor import Answer


class Stub:
    """Predicts class k with probability `value` for an image whose bytes are k."""

    score = np.float32(np.nan)

    def __init__(self, value=0.75):
        self.labels, self.value, self.given = ["Cat", "Dog"], value, 0

    def predict_each(self, encoded):
        for data in encoded:
            self.given += 1
            second = self.value if data[0] == 1 else 1 - self.value
            probabilities = np.array([1 - second, second], np.float32)
            yield Answer(probabilities, np.zeros((2, 2, 2), np.float32), self.score, np.zeros(0))


def rows(count, label=("Cat", "Dog")):
    return [{"name": f"{i}", "label": label[i % 2], "bytes": bytes([i % 2])} for i in range(count)]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrays.arrays(np.float32, (120, 4), elements=st.floats(0, 1, width=32)))
def test_predictions_round_trip_is_exact(make_predictions, tmp_path, probabilities):
    predictions = dataclasses.replace(make_predictions(4), probabilities=probabilities)
    write_predictions(tmp_path / "predictions.csv", predictions)
    found = read_predictions(tmp_path / "predictions.csv")
    for field in dataclasses.fields(found):
        np.testing.assert_array_equal(
            getattr(found, field.name), getattr(predictions, field.name), strict=True
        )


def test_unknown_scores_are_kept_if_the_bundle_has_them(tmp_path):
    assert predict(Stub(), rows(4), dict.fromkeys("0123", "test")).unknown_scores is None
    stub = Stub()
    stub.score = np.float32(1 / 3)
    predictions = predict(stub, rows(4), dict.fromkeys("0123", "test"))
    write_predictions(tmp_path / "predictions.csv", predictions)
    found = read_predictions(tmp_path / "predictions.csv")
    assert found.labels == ["Cat", "Dog"]
    assert found.unknown_scores.tolist() == [np.float32(1 / 3)] * 4


def test_damaged_predictions_are_named(make_predictions, tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, make_predictions())
    assert_noticed(path, lambda: read_predictions(path))
    whole = path.read_text()
    for old, new in (("Cat,val,Cat", "Cow,val,Cat"), ("p_Cat", "p_Cow"), ("val", "val,val")):
        path.write_text(whole.replace(old, new, 1))
        with pytest.raises(ThawError, match=r"predictions\.csv must be as the pipeline wrote it"):
            read_predictions(path)


def test_only_val_and_test_are_predicted():
    stub = Stub()
    split = {f"{i}": ["train", "val", "test"][i // 2 % 3] for i in range(300)}
    found = predict(stub, rows(300), split)
    assert stub.given == 200
    assert found.names == [name for name, part in split.items() if part != "train"]
    np.testing.assert_array_equal(found.predicted, found.truth)
    table = found.table()
    assert list(table) == ["name", "label", "split", "predicted", "p_Cat", "p_Dog"]
    assert table.iloc[0].tolist() == ["2", "Cat", "val", "Cat", 0.75, 0.25]


def test_an_image_in_no_split_is_not_predicted():
    found = predict(Stub(), rows(4), {"0": "val", "1": "leak", "2": "train", "3": "test"})
    assert found.names == ["0", "3"]


def test_a_label_unknown_to_the_bundle_is_an_error():
    with pytest.raises(ThawError, match="among the bundle's Cat, Dog, but one is Cow"):
        predict(Stub(), rows(4, ("Cat", "Cow")), dict.fromkeys("0123", "test"))


def test_a_probability_that_is_not_finite_is_an_error():
    with (
        pytest.raises(ThawError, match="finite, but those of 0 are not"),
        warnings.catch_warnings(),
    ):
        predict(Stub(np.nan), rows(4), dict.fromkeys("0123", "test"))


def test_empty_val_and_test_are_an_error():
    with pytest.raises(ThawError, match="val and test must contain images"):
        predict(Stub(), rows(4), dict.fromkeys("0123", "train"))
