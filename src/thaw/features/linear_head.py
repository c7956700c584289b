"""Solve a linear head on embeddings: logistic regression with a cross-validated strength."""

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from thaw.errors import ThawError
from thaw.features.embedded import Embedded, log_losses
from thaw.features.head import DenseHead

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

STRENGTHS = tuple(10.0**n for n in range(-4, 3))  # C: the weight of the data against the L2 penalty


@threadpool_limits.wrap(limits=1, user_api="blas")
def solve(data: Embedded) -> tuple[DenseHead, float]:
    """Fit multinomial logistic regression on standardised embeddings; one dense layer, and its C.

    The strength C is the best on images of folds left out, by log loss; an image and its views
    are left out together. Runs on one core, because on matrices of this size BLAS spends its time
    waiting for threads; so digits do not depend on their number. Raises ThawError if a class is in
    one fold only, and would be missing where that is left out.
    """
    strength = choose_strength(data)
    mean, deviation = _moments(data.embeddings)
    model = _model(strength).fit((data.embeddings - mean) / deviation, data.labels)
    kernel = model.coef_ / deviation
    bias = model.intercept_ - kernel @ mean
    if len(bias) == 1:  # of two classes scikit-learn keeps the difference
        kernel, bias = np.concatenate([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2
    return DenseHead([kernel.T.astype(np.float32), bias.astype(np.float32)]), strength


def choose_strength(data: Embedded) -> float:
    """The strength with the lowest mean log loss on the folds left out."""
    losses = np.zeros(len(STRENGTHS))
    for fold in np.unique(data.fold):
        losses += _losses_left_out(*data.leave_out(fold))
    return STRENGTHS[int(np.argmin(losses))]


def _losses_left_out(rest: Embedded, held_out: Embedded) -> np.ndarray:
    """Summed log loss of `held_out` for each strength, by models of `rest`.

    Models of too large a strength take most of the time, so that once the loss rises, larger ones
    count as infinite.
    """
    if missing := set(held_out.labels) - set(rest.labels):
        raise ThawError(
            "each class needs training images in two folds or more for train.head_solver lbfgs, "
            f"but {len(missing)} have them in one only: add images, raise data.min_per_class, or "
            "set train.head_solver to adam"
        )
    mean, deviation = _moments(rest.embeddings)
    known, unknown = ((x.embeddings - mean) / deviation for x in (rest, held_out))
    losses = np.full(len(STRENGTHS), np.inf)
    model = _model(STRENGTHS[0])  # each strength starts from the solution of the one before
    for index, strength in enumerate(STRENGTHS):
        model.set_params(C=strength).fit(known, rest.labels)
        losses[index] = log_losses(model.predict_proba(unknown), held_out.labels).sum()
        if index and losses[index] > losses[index - 1]:
            break
    return losses


def _model(strength: float) -> "LogisticRegression":
    # Imported here because loading scikit-learn takes longer than training a head with Adam.
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, warm_start=True, max_iter=10_000)


def _moments(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, float32; 1 for a constant column."""
    mean = embeddings.mean(axis=0, dtype=np.float64)
    deviation = embeddings.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation == 0, 1, deviation).astype(np.float32)
