"""Test whether two classifiers differ on the same images: pure functions over arrays.

The unit is the group of duplicates: answers to one image and to its duplicates, by however many
runs, are not independent. Shapes, over G groups: differences, int (G,), right answers of the
first minus right answers of the second; answers, int (G,), how many each of the two gave.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

Z = 1.959964  # 97.5 % of the standard normal distribution
DRAWS = 5_000  # of the bootstrap; the ends of an interval are then known to about 2 % of its width


def exact_p_value(differences: np.ndarray) -> float:
    """Two-sided p-value for "both are right equally often".

    With one answer a group it is the exact McNemar test (McNemar 1947): the binomial test of the
    groups on which one alone is right. With several it is its generalisation, the exact
    randomisation test of the sum (Fisher 1935): if both are alike, the difference of each group
    is as likely to have the other sign, the sizes being given.
    """
    tails = _tails(differences)
    return float(tails[abs(int(differences.sum()))])


def smallest_difference(differences: np.ndarray, answers: np.ndarray, level: float) -> float:
    """The smallest difference in accuracy to which `exact_p_value` gives at most `level`.

    It assumes that the two disagree as often as they do, of which not every difference can come:
    six images make 0, 2, 4 or 6. If that is too seldom for any, it assumes the fewest
    disagreements that suffice, all in favour of one.
    """
    tails = _tails(differences)
    possible = np.append(tails[:-1] > tails[1:], True)
    shown = np.flatnonzero((tails <= level) & possible)
    fewest = math.ceil(math.log2(2 / level))  # n disagreements on one side have p = 2 / 2^n
    return (int(shown[0]) if len(shown) else max(fewest, len(tails))) / int(answers.sum())


def _tails(differences: np.ndarray) -> np.ndarray:
    """For each s from 0 to the sum S of the sizes, the probability of a sum beyond ±s, (S + 1,)."""
    probabilities = np.ones(1)  # of the sums from -S to S
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        signed = np.zeros(2 * size * count + 1)
        signed[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        probabilities = np.convolve(probabilities, signed)
    middle = len(probabilities) // 2
    upper = np.cumsum(probabilities[::-1])[: middle + 1][::-1]  # P(sum ≥ s), s from 0
    return np.concatenate([[1.0], 2 * upper[1:]])


def bootstrap_interval(differences: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of the difference in accuracy (Efron 1979), resampling groups.

    Swapping the two mirrors it exactly.
    """
    ranges = np.array([_percentiles(differences, answers), _percentiles(-differences, answers)])
    low, high = (ranges[0] - ranges[1, ::-1]) / 2
    return float(low), float(high)


def _percentiles(differences: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """2.5 % and 97.5 % of the difference over resamples. Equal groups are drawn together."""
    kinds, counts = np.unique(np.stack([differences, answers]), axis=1, return_counts=True)
    groups = len(differences)
    drawn = np.random.default_rng(0).multinomial(groups, counts / groups, DRAWS)
    return np.percentile(drawn @ kinds[0] / (drawn @ kinds[1]), [2.5, 97.5])


def holm(p_values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted p-values (Holm 1979) of M tests, and the level that each unadjusted one must meet.

    A test is significant if its adjusted p-value is at most `level`.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    factors = count - np.arange(count)
    adjusted, levels = np.empty(count), np.empty(count)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    levels[order] = level / factors
    return adjusted, levels


def wilson_interval(accuracy: float, images: int) -> tuple[float, float]:
    """95 % interval of an accuracy on so many images (Wilson 1927).

    The accuracy may be a mean over runs: further runs on the same images make it no narrower.
    """
    z = Z
    scale = 1 + z**2 / images
    middle = (accuracy + z**2 / (2 * images)) / scale
    half = z / scale * math.sqrt(accuracy * (1 - accuracy) / images + z**2 / (4 * images**2))
    return middle - half, middle + half


def tango_lower(gained: int, lost: int, images: int) -> float:
    """Lower end of the 95 % score interval of a paired difference in accuracy (Tango 1998).

    gained, lost: images on which the first alone, or the second alone, is right. Unlike intervals
    of Wald's kind and of the bootstrap, it is right with few disagreements: with none it is
    -z² / (n + z²). -1 without images.
    """
    if images == 0:
        return -1.0
    difference = (gained - lost) / images

    def beyond(delta: float) -> float:
        """How much the score of the difference `delta` is beyond z."""
        a = 2 * images
        b = (2 * images - gained + lost) * delta - gained - lost
        c = -lost * delta * (1 - delta)
        share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)  # likeliest, of `lost`
        variance = images * (2 * share + delta * (1 - delta))
        return gained - lost - images * delta - Z * math.sqrt(max(0.0, variance))

    # At the difference itself the variance may be 0, so that this, too, would be a root.
    nearest = difference - 1e-9
    return float(brentq(beyond, -1.0, nearest)) if nearest > -1 else -1.0
