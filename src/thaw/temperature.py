"""Calibrate probabilities by a temperature that their scores are divided by.

Shapes: probabilities, float (N, C); truth, int (N,), class indices. Logarithms are in float32,
whose digits, unlike those of float64, are the same on processors with AVX-512 and without.
"""

import numpy as np

TINY = np.finfo(np.float32).tiny  # a float32 softmax may round a probability to 0
MOST_TEMPERATURE = 50.0  # and its inverse the least
DIGITS = 4  # of a temperature, significant ones


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017, section 4.2), of DIGITS digits.

    Platt's targets (Platt 1999, section 2.2) stand for the labels, 1 - 1 / (N + 2) for the true
    class, so that a few images, all predicted right, do not make every answer certain.
    """
    # Imported here because loading SciPy takes longer than training a head with Adam.
    from scipy.optimize import minimize_scalar

    scores, (count, classes) = log(probabilities), probabilities.shape
    targets = np.full((count, classes), 1 / (count + 2) / (classes - 1))
    targets[np.arange(count), truth] = 1 - 1 / (count + 2)

    def log_loss(log_temperature: float) -> float:
        return float(-np.sum(targets * _log_softmax(scores, np.exp(log_temperature))))

    most = np.log(MOST_TEMPERATURE)
    found = minimize_scalar(log_loss, bounds=(-most, most), method="bounded")
    return float(f"{np.exp(found.x):.{DIGITS}g}")


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities of the scores divided by `temperature`, float32 (N, C)."""
    return np.exp(_log_softmax(log(probabilities), temperature))


def log(probabilities: np.ndarray) -> np.ndarray:
    """Natural logarithms, float32, finite also of 0."""
    return np.log(np.maximum(probabilities.astype(np.float32), TINY))


def _log_softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Of scores / temperature, float32 (N, C)."""
    divided = scores / np.float32(temperature)
    shifted = divided - divided.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
