"""Cross-validate the head on embeddings of train and val; test stays unseen."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from thaw.evaluate.metrics import accuracy, loss, per_class, ranking
from thaw.features.adam_head import AdamSettings, DenseHead, train_head
from thaw.features.embedded import Embedded
from thaw.features.linear_head import solve
from thaw.files import atomic_write

METRICS = ("accuracy", "loss", "roc_auc", "f1")  # as in metrics/eval.json


class Head(Protocol):
    """A trained head."""

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (N, V) → float32 (N, C)."""


Fit = Callable[[Embedded, int], Head]  # the rows of the other folds, and the fold left out


def solved(rest: Embedded, fold: int) -> Head:
    """The solved head; its strength is chosen on the remaining folds."""
    return solve(rest)


def trained(settings: AdamSettings, classes: int) -> Fit:
    """The head trained with Adam; its best epoch is chosen on the fold after the one left out."""

    def fit(rest: Embedded, fold: int) -> Head:
        others = np.unique(rest.fold)
        following = others[others > fold]
        train, val = rest.leave_out(following[0] if len(following) else others[0])
        sizes = [rest.embeddings.shape[1], *settings.hidden_units, classes]
        head = DenseHead.initial(sizes, [settings.seed, fold])
        return train_head(head, train, val, settings)

    return fit


def cross_validate(data: Embedded, classes: int, fit: Fit) -> np.ndarray:
    """Probabilities of each image, float32 (images, C), by the head that its fold did not train.

    The images are the rows with view 0, in their order.
    """
    fold = data.fold[data.view == 0]
    found = np.empty((len(fold), classes), np.float32)
    for number in np.unique(fold):
        rest, held_out = data.leave_out(number)
        found[fold == number] = fit(rest, int(number)).probabilities(held_out.embeddings)
    return found


def summary(
    truth: np.ndarray, fold: np.ndarray, probabilities: np.ndarray, labels: list[str]
) -> dict[str, Any]:
    """Number of images and folds, and mean and standard deviation over the folds per metric.

    A metric is left out if a fold lacks a class, without which it is not defined.
    """
    metrics = [
        dict(_metrics(truth[fold == number], probabilities[fold == number], labels))
        for number in np.unique(fold)
    ]
    found: dict[str, Any] = {"n": len(truth), "folds": len(metrics)}
    for name in METRICS:
        if all(name in of_fold for of_fold in metrics):
            values = [of_fold[name] for of_fold in metrics]
            found[name] = {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}
    return found


def _metrics(truth: np.ndarray, probabilities: np.ndarray, labels: list[str]) -> Iterator[Any]:
    yield from accuracy(truth, probabilities)
    yield from loss(truth, probabilities)
    if len(np.unique(truth)) == len(labels):
        yield from ranking(truth, probabilities)
        yield from per_class(truth, probabilities, labels)


def write_out_of_fold(
    path: Path, images: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str]
) -> None:
    """Write columns name, label, fold, predicted, and p_<class> for each class.

    images: columns name, label and fold; without images the table has no row.
    """
    table = images[["name", "label", "fold"]].reset_index(drop=True)
    table["predicted"] = np.array(classes, dtype=object)[probabilities.argmax(axis=1)]
    names = [f"p_{name}" for name in classes]
    table = table.join(pd.DataFrame(probabilities, columns=names))
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
