"""Rows of embeddings to train a head on, and what a head's probabilities are judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from thaw.errors import ThawError, listing
from thaw.temperature import log


@dataclass(frozen=True)
class Embedded:
    """Embeddings of N images and views, with labels, folds and views."""

    embeddings: np.ndarray  # float (N, V), of the dtype that is stored
    labels: np.ndarray  # int64 (N,), indices of classes
    fold: np.ndarray  # int64 (N,), of the image
    view: np.ndarray  # int64 (N,), 0 for an image itself

    @classmethod
    def of(cls, embeddings: np.ndarray, rows: pd.DataFrame, classes: Sequence[str]) -> "Embedded":
        """Those of `rows`, which are columns label, fold and view."""
        fold, view = (rows[name].to_numpy(np.int64) for name in ("fold", "view"))
        return cls(np.asarray(embeddings), class_indices(rows["label"], classes), fold, view)

    def where(self, chosen: np.ndarray) -> "Embedded":
        """The rows for which `chosen`, bool (N,), is true."""
        return Embedded(*(values[chosen] for values in vars(self).values()))

    def leave_out(self, fold: int) -> tuple["Embedded", "Embedded"]:
        """The other folds, with their views, and the images of this one, without."""
        is_in = self.fold == fold
        return self.where(~is_in), self.where(is_in & (self.view == 0))


def class_indices(labels: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Labels as indices into `classes`, int64. Raises ThawError for another label."""
    if unknown := set(labels) - set(classes):
        raise ThawError(
            f"the rows of data/embeddings must be of the classes {listing(classes)}, but some are "
            f"of {listing(unknown)}: delete data/embeddings and run `dvc repro`"
        )
    indices = {label: index for index, label in enumerate(classes)}
    return labels.map(indices).to_numpy(dtype=np.int64)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores (N, classes) → probabilities, of the same dtype."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each row, in nats."""
    return -log(probabilities[np.arange(len(labels)), labels])
