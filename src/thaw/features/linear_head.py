"""Solve a linear head on embeddings: logistic regression with a cross-validated strength."""

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from thaw.errors import ThawError
from thaw.features.embedded import Embedded, log_losses
from thaw.features.head import DenseHead
from thaw.temperature import fit_temperature, with_temperature

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# C: the weight of the data against the L2 penalty
STRENGTHS = tuple(10.0 ** (n / 2) for n in range(-8, 5))


@threadpool_limits.wrap(limits=1, user_api="blas")
def solve(data: Embedded) -> tuple[DenseHead, float]:
    """Fit multinomial logistic regression on standardised embeddings; one dense layer, and its C.

    The strength C is chosen on images of folds left out; an image and its views are left out
    together. Runs on one core, because on matrices of this size BLAS spends its time
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
    """The smallest strength whose log loss on the folds left out is near the lowest.

    Near is within one standard error (Hastie et al. 2009, section 7.10): of penalties that cannot
    be told apart the strongest transfers best to images from elsewhere. The loss is that of
    calibrated probabilities, since a strong penalty only makes them too modest.
    """
    folds = [_predict_left_out(*data.leave_out(fold)) for fold in np.unique(data.fold)]
    labels = np.concatenate([held_out for _, held_out in folds])
    losses = []  # of each image, for each strength that all folds have
    for parts in zip(*(found for found, _ in folds)):
        probabilities = np.concatenate(parts)
        temperature = fit_temperature(probabilities, labels)
        losses.append(log_losses(with_temperature(probabilities, temperature), labels))
    means = np.mean(losses, axis=1, dtype=np.float64)
    error = np.std(losses[means.argmin()]) / np.sqrt(len(labels))
    return STRENGTHS[int(np.argmax(means <= means.min() + error))]


def _predict_left_out(rest: Embedded, held_out: Embedded) -> tuple[list[np.ndarray], np.ndarray]:
    """Probabilities of `held_out` for the strengths in turn, by models of `rest`; and its labels.

    Models of too large a strength take most of the time, so it ends where the calibrated loss
    rises.
    """
    if missing := set(held_out.labels) - set(rest.labels):
        raise ThawError(
            "each class needs training images in two folds or more for train.head_solver lbfgs, "
            f"but {len(missing)} have them in one only: add images, raise data.min_per_class, or "
            "set train.head_solver to adam"
        )
    mean, deviation = _moments(rest.embeddings)
    known, unknown = ((x.embeddings - mean) / deviation for x in (rest, held_out))
    found: list[np.ndarray] = []
    lowest = np.inf
    model = _model(STRENGTHS[0])  # each strength starts from the solution of the one before
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(known, rest.labels)
        found.append(model.predict_proba(unknown))
        temperature = fit_temperature(found[-1], held_out.labels)
        calibrated = with_temperature(found[-1], temperature)
        loss = log_losses(calibrated, held_out.labels).mean()
        if loss > lowest:
            break
        lowest = loss
    return found, held_out.labels


def _model(strength: float) -> "LogisticRegression":
    # Imported here because loading scikit-learn takes longer than training a head with Adam.
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, warm_start=True, max_iter=10_000)


def _moments(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, float32; 1 for a constant column."""
    mean = embeddings.mean(axis=0, dtype=np.float64)
    deviation = embeddings.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation == 0, 1, deviation).astype(np.float32)
