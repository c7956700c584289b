"""Find the images that are misclassified, and the classes that are confused."""

from typing import NamedTuple

import numpy as np

from thaw.evaluate.predictions import Predictions


class ConfusedPair(NamedTuple):
    """Images of the class `truth` that are answered `answer`, of so many of `truth`."""

    truth: str
    answer: str
    images: int
    of: int


def worst_mistakes(
    test: Predictions,
    count: int | None = None,
    truth: str | None = None,
    answer: str | None = None,
    confidence: tuple[float, float] = (0, 1),
) -> np.ndarray:
    """Indices of the misclassified images, highest confidence first; the first `count`, or all.

    truth, answer: only those of this class, and those taken for this class; None: of any.
    confidence: the least and the most, each included.
    """
    confidences = test.probabilities.max(axis=1)
    chosen = test.predicted != test.truth
    chosen &= (confidences >= confidence[0]) & (confidences <= confidence[1])
    if truth is not None:
        chosen &= test.truth == test.labels.index(truth)
    if answer is not None:
        chosen &= test.predicted == test.labels.index(answer)
    wrong = np.flatnonzero(chosen)
    return wrong[np.argsort(-confidences[wrong], kind="stable")][:count]


def confusion_matrix(test: Predictions) -> np.ndarray:
    """Number of images by true class and by predicted class: int64 (C, C)."""
    counts = np.zeros((len(test.labels), len(test.labels)), dtype=np.int64)
    np.add.at(counts, (test.truth, test.predicted), 1)
    return counts


def confused_pairs(confusion: np.ndarray, labels: list[str]) -> list[ConfusedPair]:
    """The pairs of classes that are confused at all, the most images first.

    confusion: int (C, C), true class by answered class.
    """
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    sizes = confusion.sum(axis=1)
    pairs = (divmod(int(at), len(wrong)) for at in order)
    return [ConfusedPair(labels[t], labels[a], int(wrong[t, a]), int(sizes[t])) for t, a in pairs]
