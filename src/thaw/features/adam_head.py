"""Train a head on embeddings with Adam in NumPy: what the head phase does, without TensorFlow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from thaw.errors import ThawError
from thaw.features.embedded import Embedded, log_losses, softmax

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults


def batch_orders(count: int, size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The rows of each batch of an epoch, sorted; they depend only on the seed and the epoch."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count, size):
        yield np.sort(order[start : start + size])


@dataclass(frozen=True)
class DenseHead:
    """Embedding (N, V) → ReLU layers → dropout in training → softmax (N, classes).

    weights: kernel and bias of each dense layer in turn, float32.
    """

    weights: list[np.ndarray]

    @classmethod
    def initial(cls, sizes: Sequence[int], seed: int | Sequence[int]) -> "DenseHead":
        """Kernels by Glorot & Bengio (2010), uniform; biases 0. sizes: V, hidden units, classes."""
        rng = np.random.default_rng(seed)
        weights: list[np.ndarray] = []
        for rows, columns in pairwise(sizes):
            limit = np.sqrt(6 / (rows + columns))
            weights.append(rng.uniform(-limit, limit, (rows, columns)).astype(np.float32))
            weights.append(np.zeros(columns, np.float32))
        return cls(weights)

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Without dropout; float32 (N, classes)."""
        inputs = self._inputs(embeddings)
        return softmax(inputs[-1] @ self.weights[-2] + self.weights[-1])

    def _inputs(self, embeddings: np.ndarray) -> list[np.ndarray]:
        """What each layer gets."""
        inputs = [embeddings]
        for kernel, bias in zip(self.weights[:-2:2], self.weights[1:-2:2], strict=True):
            inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0))
        return inputs

    def gradients(
        self, embeddings: np.ndarray, labels: np.ndarray, dropped: np.ndarray
    ) -> list[np.ndarray]:
        """Those of the mean log loss, for each of `weights`.

        dropped: what the last layer's inputs are multiplied by, 0 or 1 / (1 - dropout).
        """
        inputs = self._inputs(embeddings)
        inputs[-1] = inputs[-1] * dropped
        gradient = softmax(inputs[-1] @ self.weights[-2] + self.weights[-1])
        gradient[np.arange(len(labels)), labels] -= 1
        gradient /= len(labels)
        found: list[np.ndarray] = []
        for values, kernel in zip(reversed(inputs), self.weights[-2::-2], strict=True):
            found[:0] = [values.T @ gradient, gradient.sum(axis=0)]
            gradient = gradient @ kernel.T * (dropped if len(found) == 2 else 1) * (values > 0)
        return found


@dataclass
class Adam:
    """Kingma & Ba (2015), with decoupled weight decay (Loshchilov & Hutter 2019), as in Keras."""

    learning_rate: float
    weight_decay: float
    steps: int = 0
    first: list[np.ndarray] = field(default_factory=list)
    second: list[np.ndarray] = field(default_factory=list)

    def update(self, weights: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        """Update the weights in place."""
        if not self.first:
            self.first, self.second = ([np.zeros_like(x) for x in weights] for _ in range(2))
        self.steps += 1
        correction = np.sqrt(1 - BETA2**self.steps) / (1 - BETA1**self.steps)
        rate = np.float32(self.learning_rate * correction)
        decay = np.float32(1 - self.weight_decay * self.learning_rate)
        for weight, gradient, first, second in zip(
            weights, gradients, self.first, self.second, strict=True
        ):
            first += np.float32(1 - BETA1) * (gradient - first)
            second += np.float32(1 - BETA2) * (gradient * gradient - second)
            weight *= decay
            weight -= rate * first / (np.sqrt(second) + np.float32(EPSILON))


@dataclass(frozen=True)
class AdamSettings:
    """Those of the head phase, and the seed of its shuffling and dropout."""

    hidden_units: list[int]
    dropout: float
    epochs: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    patience: int
    seed: int


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in `thaw.features.linear_head`
def train_head(
    head: DenseHead, train: Embedded, val: Embedded, settings: AdamSettings
) -> DenseHead:
    """Train `head` in place as the head phase does, and return that of the best epoch on `val`.

    Raises ThawError if a validation loss is not finite.
    """
    optimiser, seed = Adam(settings.learning_rate, settings.weight_decay), settings.seed
    best, best_epoch, lowest = head, 0, float("inf")
    for epoch in range(settings.epochs):
        rng = np.random.default_rng([seed, epoch, 1])
        for rows in batch_orders(len(train.labels), settings.batch_size, seed, epoch):
            shape = (len(rows), len(head.weights[-2]))
            kept = rng.random(shape, np.float32) >= settings.dropout
            dropped = kept / np.float32(1 - settings.dropout)
            found = head.gradients(train.embeddings[rows], train.labels[rows], dropped)
            optimiser.update(head.weights, found)
        loss = float(log_losses(head.probabilities(val.embeddings), val.labels).mean())
        if not np.isfinite(loss):
            raise ThawError(
                f"the loss of cross-validation must be finite, but is {loss} at epoch {epoch + 1}: "
                "lower train.head_learning_rate"
            )
        if loss < lowest:
            best, best_epoch, lowest = DenseHead([w.copy() for w in head.weights]), epoch, loss
        if epoch - best_epoch >= settings.patience:
            break
    return best
