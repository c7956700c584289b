"""Calibrate probabilities by a temperature that their scores are divided by.

Shapes: probabilities, float (N, C); truth, int (N,), class indices.
"""

import numpy as np

TINY = float(np.finfo(np.float32).tiny)  # a float32 softmax may round a probability to 0
MOST_TEMPERATURE = 50.0  # and its inverse the least
DIGITS = 4  # of a temperature, significant ones; the last ones of exp differ between processors


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017, section 4.2), of DIGITS digits.

    Platt's targets (Platt 1999, section 2.2) stand for the labels, 1 - 1 / (N + 2) for the true
    class, so that a few images, all predicted right, do not make every answer certain.
    """
    scores = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    count, classes = scores.shape
    targets = np.full(scores.shape, 1 / (count + 2) / (classes - 1))
    targets[np.arange(count), truth] = 1 - 1 / (count + 2)

    def log_loss(log_temperature: float) -> float:
        return float(-np.sum(targets * _log_softmax(scores / np.exp(log_temperature))))

    # Imported here because loading SciPy takes longer than training a head with Adam.
    from scipy.optimize import minimize_scalar

    most = np.log(MOST_TEMPERATURE)
    found = minimize_scalar(log_loss, bounds=(-most, most), method="bounded")
    return float(f"{np.exp(found.x):.{DIGITS}g}")


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities of the scores divided by `temperature`, float32 (N, C)."""
    scores = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    return np.exp(_log_softmax(scores / temperature)).astype(np.float32)


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
