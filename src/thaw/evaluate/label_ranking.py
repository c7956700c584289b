"""Rank unlabelled images by how much a label would help: uncertain, and unlike each other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from thaw.errors import ThawError
from thaw.evaluate.predictions import Answer, Predictor


@dataclass(frozen=True)
class Candidate:
    """An image worth a label: the class that is predicted, and its probability."""

    name: str
    label: str
    probability: float


def rank_images(
    images: Iterable[tuple[str, bytes | ThawError]], predictor: Predictor, count: int
) -> tuple[list[Candidate], list[tuple[str, ThawError]]]:
    """The `count` images to label first, best first, and those that cannot be used, with why.

    images: names with encoded images, or why one cannot be read. Holds C + V floats of each in
    memory. Raises ThawError if the bundle has no embedding.
    """
    names: list[str] = []

    def contents() -> Iterator[bytes | ThawError]:
        for name, content in images:
            names.append(name)
            yield content

    bar = tqdm(predictor.predict_each(contents()), desc="predicting", unit="image", disable=None)
    answers = list(map(_answer, bar))
    failed = [(name, one) for name, one in zip(names, answers) if isinstance(one, ThawError)]
    usable = [(name, *one) for name, one in zip(names, answers) if not isinstance(one, ThawError)]
    if not usable:
        return [], failed
    usable_names, probabilities, embeddings = zip(*usable, strict=True)
    order = rank(np.stack(probabilities), np.stack(embeddings), count)
    best = [(usable_names[at], probabilities[at].argmax(), probabilities[at].max()) for at in order]
    return [Candidate(name, predictor.labels[top], p) for name, top, p in best], failed


def _answer(answer: Answer | ThawError) -> tuple[np.ndarray, np.ndarray] | ThawError:
    """Probabilities and embedding, without the heatmaps, which are large; or the error."""
    if isinstance(answer, ThawError):
        return answer
    if not answer.embedding.size:
        raise ThawError(
            "a ranking needs the embedding of each image, but the bundle gives none: make it again "
            "with `dvc repro export`"
        )
    return answer.probabilities, answer.embedding


def rank(probabilities: np.ndarray, embeddings: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` images to label first, or of all if there are fewer, int64.

    probabilities: float (N, C); embeddings: float (N, V). The gradient of a linear classifier's
    log loss, if the predicted class were right, is the outer product of p - onehot(argmax p) and
    the embedding: short where the network is certain, and similar for similar images (BADGE: Ash
    et al. 2020). Starts with the least certain image; the next is each time the one whose gradient
    is farthest from those of all before (Sener & Savarese 2018). Of equals the first. Embeddings
    are scaled to length 1, so that those with large activations do not lead. Takes O(N (C + V)) for
    each: no outer product is made, since inner products of such are products of inner products.
    """
    errors, directions = probabilities.astype(np.float32), embeddings.astype(np.float32)
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    directions /= np.where(norms > 0, norms, 1)
    lengths = np.square(errors, dtype=np.float64).sum(axis=1) * (norms[:, 0] > 0)  # squared
    distances = np.full(len(errors), np.inf)  # squared, to the nearest chosen one
    chosen: list[int] = []
    while len(chosen) < min(count, len(errors)):
        at = int(distances.argmax() if chosen else probabilities.max(axis=1).argmin())
        chosen.append(at)
        products = (errors @ errors[at]) * (directions @ directions[at])
        distances = np.minimum(distances, lengths + lengths[at] - 2 * products)
        distances[at] = -np.inf
    return np.array(chosen, np.int64)
