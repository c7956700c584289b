"""Cross-validate the head on embeddings of train and val; test stays unseen."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thaw.evaluate.metrics import accuracy, loss, per_class, ranking
from thaw.experiments.out_of_fold import write_out_of_fold
from thaw.features.adam_head import AdamSettings, train_head
from thaw.features.embedded import Embedded, class_indices
from thaw.features.head import DenseHead
from thaw.features.linear_head import solve
from thaw.features.stored import ChosenRows
from thaw.files import write_json

METRICS = ("accuracy", "loss", "roc_auc", "f1")  # as in metrics/eval.json


Predict = Callable[[np.ndarray], np.ndarray]  # rows, int (N,) → probabilities (N, C)
Fit = Callable[[Embedded, int], DenseHead]  # the rows of the other folds, and the fold left out


def solved(rest: Embedded, fold: int) -> DenseHead:
    """The solved head; its strength is chosen on the remaining folds."""
    return solve(rest)[0]


def trained(settings: AdamSettings, classes: int) -> Fit:
    """The head trained with Adam; its best epoch is chosen on the fold after the one left out."""

    def fit(rest: Embedded, fold: int) -> DenseHead:
        train, val = rest.leave_out(next_fold(rest.fold, fold))
        sizes = [rest.embeddings.shape[1], *settings.hidden_units, classes]
        head = DenseHead.initial(sizes, [settings.seed, fold])
        return train_head(head, train, val, settings)[0]

    return fit


def next_fold(folds: np.ndarray, fold: int) -> int:
    """The fold after `fold`, which is not among `folds`; after the last the first."""
    others = np.unique(folds)
    later = others[others > fold]
    return int(later[0] if len(later) else others[0])


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


def cross_validate_training(
    rows: pd.DataFrame, classes: int, train: Callable[[int, ChosenRows], Predict]
) -> np.ndarray:
    """Probabilities of each image, float32 (images, C), by the training that lacked its fold.

    rows: columns fold and view; the images are those with view 0, in their order. train: trains
    without a fold, on the rows that it gets, the second of which choose the best epoch; these are
    the images of the fold after it.
    """
    fold, is_image = rows["fold"].to_numpy(), (rows["view"] == 0).to_numpy()
    found = np.empty((len(rows), classes), np.float32)
    for left_out in np.unique(fold):
        val = next_fold(fold[fold != left_out], left_out)
        chosen = np.flatnonzero((fold != left_out) & (fold != val))
        chosen_val, images = (np.flatnonzero((fold == n) & is_image) for n in (val, left_out))
        found[images] = train(int(left_out), (chosen, chosen_val))(images)
    return found[is_image]


def summary(
    truth: np.ndarray, fold: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]
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


def _metrics(truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> Iterator[Any]:
    yield from accuracy(truth, probabilities)
    yield from loss(truth, probabilities)
    if len(np.unique(truth)) == len(labels):
        yield from ranking(truth, probabilities)
        yield from per_class(truth, probabilities, list(labels))


def write_results(
    table: Path,
    metrics: Path,
    images: pd.DataFrame,
    probabilities: np.ndarray,
    classes: Sequence[str],
    training: dict[str, str],
) -> None:
    """Write the out-of-fold predictions, and their metrics as JSON.

    images: columns name, label and fold. probabilities: (images, C). training: what the
    predictions stand for.
    """
    write_out_of_fold(table, images, probabilities, classes)
    truth, fold = class_indices(images["label"], classes), images["fold"].to_numpy()
    write_json(metrics, training | summary(truth, fold, probabilities, classes))
