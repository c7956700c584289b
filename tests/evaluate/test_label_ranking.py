"""The ranking is that of the definition, deterministic, and says what it cannot use."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaw.errors import ThawError
from thaw.evaluate.label_ranking import rank, rank_images
from thaw.image_limits import UnusableImage


def random_images(seed, count, classes, size):
    """Probabilities and embeddings, float32."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.3), count).astype(np.float32)
    return probabilities, rng.normal(size=(count, size)).astype(np.float32)


def plain_rank(probabilities, embeddings, count):
    """The same with every gradient written out, in float64."""
    errors = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    directions = embeddings / np.linalg.norm(embeddings.astype(float), axis=1, keepdims=True)
    gradients = (errors[:, :, None] * directions[:, None, :]).reshape(len(errors), -1)
    chosen = [int(probabilities.max(axis=1).argmin())]
    while len(chosen) < min(count, len(gradients)):
        distances = np.linalg.norm(gradients[:, None] - gradients[chosen], axis=2).min(axis=1)
        distances[chosen] = -1
        chosen.append(int(distances.argmax()))
    return chosen


@given(st.integers(0, 999), st.integers(1, 30), st.integers(2, 5), st.integers(1, 40))
def test_the_order_is_that_of_the_written_out_gradients(seed, images, classes, count):
    probabilities, embeddings = random_images(seed, images, classes, 7)
    found = rank(probabilities, embeddings, count)
    assert found.tolist() == plain_rank(probabilities, embeddings, count)
    assert len(set(found.tolist())) == min(count, images)
    assert found.tolist() == rank(probabilities, embeddings, images)[:count].tolist()
    assert found.tolist() == rank(probabilities, 4 * embeddings, count).tolist()


def test_a_copy_comes_after_all_that_differ_even_after_a_certain_image():
    probabilities, embeddings = random_images(0, 10, 3, 8)
    probabilities[[1, 4]], embeddings[4] = [0.4, 0.35, 0.25], embeddings[1]
    probabilities[7] = [0, 1, 0]
    found = rank(probabilities, embeddings, 10).tolist()
    assert found[-1] in (1, 4) and found.index(7) < 9


def test_images_that_are_all_certain_keep_their_order():
    assert rank(np.eye(3), np.ones((3, 2)), 9).tolist() == [0, 1, 2]


def test_an_embedding_of_zeros_is_like_a_certain_image():
    probabilities, embeddings = np.full((3, 2), 0.5), np.array([[1, 0], [0, 0], [0, 1]])
    assert rank(probabilities, embeddings, 3).tolist() == [0, 2, 1]


@dataclass
class Answer:
    probabilities: np.ndarray
    embedding: np.ndarray


class Bundle:
    """Answers whose first probability and embedding are the bytes of the file."""

    def __init__(self, size=2):
        self.labels, self.size = ["Cat", "Dog"], size

    def predict_each(self, encoded):
        for data in encoded:
            if isinstance(data, ThawError):
                yield data
            elif data == b"text":
                yield UnusableImage("not an image", "")
            else:
                p = np.float32(data[0] / 100)
                yield Answer(np.array([p, 1 - p]), np.array([1, data[0]], np.float32)[: self.size])


def test_images_are_named_with_what_is_predicted_and_failures_with_why():
    images = [("a", b"\x5a"), ("b", b"text"), ("c", ThawError("no")), ("d", b"\x28"), ("e", b"\1")]
    found, failed = rank_images(images, Bundle(), 2)
    assert [(one.name, one.label) for one in found] == [("d", "Dog"), ("a", "Cat")]
    assert [one.probability for one in found] == [np.float32(0.6), np.float32(0.9)]
    assert {name: str(error) for name, error in failed}.keys() == {"b", "c"}
    assert rank_images(images[1:3], Bundle(), 2)[0] == []
    assert rank_images([], Bundle(), 2) == ([], [])


def test_a_bundle_without_embedding_is_one_line():
    with pytest.raises(ThawError, match=r"needs the embedding .* make it again with `dvc"):
        rank_images([("a", b"\1")], Bundle(size=0), 1)
