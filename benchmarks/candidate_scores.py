"""Scores of how strange an embedding is, larger is stranger, for benchmarks/unknown_scores.py.

Each function takes what is known and returns a function from embeddings, float32 (N, V), to scores
(N,).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.covariance import ledoit_wolf

from thaw.evaluate import unknown
from thaw.features.embedded import softmax
from thaw.features.head import DenseHead

Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Known:
    """Embeddings, float32 (N, V), labels (N,), and a head of one layer that was solved on them."""

    embeddings: np.ndarray
    labels: np.ndarray
    head: DenseHead

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Scores before the softmax (N, C)."""
        return embeddings @ self.head.weights[0] + self.head.weights[1]


def scaled(embeddings: np.ndarray) -> np.ndarray:
    """To length 1."""
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def largest_probability(known: Known) -> Score:
    """Hendrycks & Gimpel 2017."""
    return lambda x: -softmax(known.logits(x)).max(axis=1)


def energy(known: Known) -> Score:
    """Liu et al. 2020."""
    return lambda x: -np.logaddexp.reduce(known.logits(x), axis=1)


def class_moments(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of the classes, and their covariance, shrunk (Ledoit & Wolf 2004)."""
    means = np.stack([embeddings[labels == label].mean(axis=0) for label in np.unique(labels)])
    return means, ledoit_wolf(embeddings - means[labels], assume_centered=True)[0]


def distance(means: np.ndarray, covariance: np.ndarray) -> Score:
    """Mahalanobis distance to the nearest mean."""
    variances, axes = np.linalg.eigh(covariance)
    whitening = axes / np.sqrt(variances)
    whitened = means @ whitening

    def score(x: np.ndarray) -> np.ndarray:
        squares = [((x @ whitening - mean) ** 2).sum(axis=1) for mean in whitened]
        return np.sqrt(np.min(squares, axis=0))

    return score


def mahalanobis(known: Known, scale: bool = False) -> Score:
    """Lee et al. 2018; of embeddings of length 1, Müller & Hein 2025."""
    x = scaled(known.embeddings) if scale else known.embeddings
    score = distance(*class_moments(x, known.labels))
    return lambda y: score(scaled(y) if scale else y)


def relative_mahalanobis(known: Known) -> Score:
    """Ren et al. 2021; both covariances are shrunk alike."""
    means, within = class_moments(known.embeddings, known.labels)
    mean, between = known.embeddings.mean(axis=0), np.cov(means[known.labels].T, bias=True)
    to_class, to_all = distance(means, within), distance(mean[None], within + between)
    return lambda x: to_class(x) ** 2 - to_all(x) ** 2


def nearest(known: Known, number: int) -> Score:
    """Cosine distance to the k-th nearest neighbour, Sun et al. 2022."""
    references = scaled(known.embeddings)
    return lambda x: -np.partition(scaled(x) @ references.T, -number, axis=1)[:, -number]


def vim(known: Known, directions: int = 512) -> Score:
    """Wang et al. 2022: what lies outside the principal subspace, less the energy."""
    mean = known.embeddings.mean(axis=0)
    axes = np.linalg.eigh(np.cov(known.embeddings.T))[1][:, :-directions]

    def outside(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm((x - mean) @ axes, axis=1)

    factor = known.logits(known.embeddings).max(axis=1).mean() / outside(known.embeddings).mean()
    strangeness = energy(known)
    return lambda x: factor * outside(x) + strangeness(x)


def chosen(known: Known) -> Score:
    """That of a bundle: the distance, times the square root of the length outside."""
    return partial(unknown.score, unknown.fit(known.embeddings))


def distance_inside(known: Known) -> Score:
    """The first factor of the chosen one, for which three nearest are averaged."""
    reference = unknown.fit(known.embeddings)
    references = reference.references.astype(np.float32)

    def score(x: np.ndarray) -> np.ndarray:
        inside = (scaled(x) - reference.centre) @ reference.directions.astype(np.float32)
        squares = (references**2).sum(axis=1) - 2 * inside @ references.T
        squares = np.sort(squares, axis=1)[:, : reference.nearest]
        return np.sqrt(np.maximum(squares + (inside**2).sum(axis=1)[:, None], 0)).mean(axis=1)

    return score


def length_outside(known: Known) -> Score:
    """The second factor of the chosen one."""
    whole, inside = chosen(known), distance_inside(known)
    return lambda x: whole(x) / inside(x)


CANDIDATES: dict[str, Callable[[Known], Score]] = {
    "largest probability": largest_probability,
    "energy": energy,
    "Mahalanobis": mahalanobis,
    "Mahalanobis, length 1": partial(mahalanobis, scale=True),
    "relative Mahalanobis": relative_mahalanobis,
    "nearest neighbour": partial(nearest, number=1),
    "10th nearest neighbour": partial(nearest, number=10),
    "ViM": vim,
    "distance inside": distance_inside,
    "length outside": length_outside,
    "distance × √length": chosen,
}
SUMS = [  # of two scores, each divided by its standard deviation out of fold
    ("nearest neighbour", "Mahalanobis"),
    ("nearest neighbour", "ViM"),
    ("Mahalanobis, length 1", "Mahalanobis"),
    ("distance inside", "Mahalanobis"),
    ("distance inside", "ViM"),
    ("distance inside", "largest probability"),
]
