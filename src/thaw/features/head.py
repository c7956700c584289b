"""The head: dense layers from an embedding to probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from thaw.features.embedded import softmax


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

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(array.size for array in self.weights)

    def copy(self) -> "DenseHead":
        """A head with the same weights, which do not change when those of this one train."""
        return DenseHead([array.copy() for array in self.weights])

    def divided(self, temperature: float) -> "DenseHead":
        """A head whose scores, before the softmax, are divided by `temperature`."""
        *others, kernel, bias = self.weights
        scale = np.float32(1 / temperature)
        return DenseHead([*others, kernel * scale, bias * scale])

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Without dropout; embeddings of any float dtype → float32 (N, classes)."""
        return self._softmax(self._inputs(embeddings)[-1])

    def gradients(
        self, embeddings: np.ndarray, labels: np.ndarray, dropped: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Probabilities, and gradients of the mean log loss for each of `weights`.

        dropped: what the last layer's inputs are multiplied by, 0 or 1 / (1 - dropout).
        """
        inputs = self._inputs(embeddings)
        inputs[-1] = inputs[-1] * dropped
        probabilities = self._softmax(inputs[-1])
        gradient = probabilities.copy()
        gradient[np.arange(len(labels)), labels] -= 1
        gradient /= len(labels)
        found = [inputs[-1].T @ gradient, gradient.sum(axis=0)]
        scale: np.ndarray | float = dropped
        for values, above, kernel in zip(
            reversed(inputs[:-1]), reversed(inputs[1:]), self.weights[-2:0:-2], strict=True
        ):
            gradient = gradient @ kernel.T * scale * (above > 0)
            found[:0] = [values.T @ gradient, gradient.sum(axis=0)]
            scale = 1.0
        return probabilities, found

    def _inputs(self, embeddings: np.ndarray) -> list[np.ndarray]:
        """What each layer gets."""
        inputs = [embeddings.astype(np.float32, copy=False)]
        for kernel, bias in zip(self.weights[:-2:2], self.weights[1:-2:2], strict=True):
            inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0))
        return inputs

    def _softmax(self, inputs: np.ndarray) -> np.ndarray:
        return softmax(inputs @ self.weights[-2] + self.weights[-1])
