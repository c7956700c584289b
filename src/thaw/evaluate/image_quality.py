"""Find dark, bright, blurred and oddly sized images, and properties that go with a label.

A property that goes with a label, such as brighter photographs of one class, is a spurious
correlation: a network may learn it in place of what the classes show. The limits of darkness,
brightness and aspect ratio are CleanVision's.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import laplace
from scipy.stats import false_discovery_control, mannwhitneyu

from thaw.evaluate.metrics import area_interval
from thaw.images import read_rgb
from thaw.parallel import batched, cores

BATCH = 256  # encoded images in memory
SIDE = 224  # pixels; larger images are measured at this size, as a network sees them
DARK = 0.32  # 99 % of the pixels are below
BRIGHT = 0.95  # 95 % of the pixels are above
# Below are 97 % of photographs blurred by 1 % of their longer side, and 0.1 % of 4,000 as they are.
BLURRED = 0.1  # sharpness
ODD_SIZE = 3.0  # times the median
ODD_ASPECT = 0.35  # shorter side by longer side
LEVEL = 0.05  # of the tests, corrected
STRONG = 0.1  # AUROC beyond 0.5 ± this


@dataclass(frozen=True)
class Quality:
    """What is measured of N images; each array is float64 (N,).

    dark_end, bright_end: 5 % and 99 % of the pixels are at most so bright, in [0, 1]; brightness:
    mean, in [0, 1]; width, height: pixels. sharpness: the standard deviation of the Laplacian by
    that of the image, and so independent of contrast: 4.5 for white noise, 0 for a single colour.
    """

    dark_end: np.ndarray
    bright_end: np.ndarray
    brightness: np.ndarray
    sharpness: np.ndarray
    width: np.ndarray
    height: np.ndarray


def measure_quality(encoded: Iterable[bytes]) -> Quality:
    """Measure encoded images, which are read a few at a time."""
    # Threads, for what takes time here releases Python's lock; processes would import it all again.
    with ThreadPoolExecutor(cores()) as pool:
        values = [one for batch in batched(encoded, BATCH) for one in pool.map(_measure, batch)]
    return Quality(*np.array(values).T)


def _measure(data: bytes) -> tuple[float, ...]:
    """The values of Quality of an encoded image, in their order."""
    image = read_rgb(data)
    width, height = image.size
    small = image.convert("L")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(small, np.float32) / 255
    contrast = grey.std()
    sharpness = laplace(grey).std() / contrast if contrast else 0.0
    ends = np.percentile(grey, [5, 99])
    return (*ends.tolist(), float(grey.mean()), float(sharpness), width, height)


def find_issues(quality: Quality) -> tuple[np.ndarray, list[str]]:
    """Score and reason of each image, (N,) and N; 0 and empty for an image without an issue.

    The score is how far beyond its limit a property is, in (0, 1], the largest of an image.
    """
    side = np.sqrt(quality.width * quality.height)
    usual = float(np.median(side))
    shape = np.minimum(quality.width / quality.height, quality.height / quality.width)
    issues = [  # a value below its limit is an issue
        (quality.bright_end, DARK, "dark: 99 % of its pixels are below {:.0%} of white"),
        (1 - quality.dark_end, 1 - BRIGHT, "bright: 95 % of its pixels are within {:.0%} of white"),
        (quality.sharpness, BLURRED, "blurred: its sharpness is {:.2g}"),
        (side / usual, 1 / ODD_SIZE, "small: its sides are {:.2g} times the usual ones"),
        (usual / side, 1 / ODD_SIZE, "large: the usual sides are {:.2g} times its own"),
        (shape, ODD_ASPECT, "odd aspect: its shorter side is {:.2g} times its longer one"),
    ]
    scores = np.zeros(len(side))
    reasons: list[list[str]] = [[] for _ in side]
    for values, limit, reason in issues:
        scores = np.maximum(scores, 1 - values / limit)
        for index in np.flatnonzero(values < limit):
            reasons[index].append(reason.format(values[index]))
    return scores, ["; ".join(found) for found in reasons]


@dataclass(frozen=True)
class Association:
    """How a property differs between a class and the other classes.

    auroc: the probability that an image of the class has more of it than one of another, with its
    95 % interval from low to high; p_value: corrected over all tests.
    """

    name: str  # of the property
    label: str
    auroc: float
    low: float
    high: float
    p_value: float

    @property
    def verdict(self) -> str:
        """Whether the property goes with the label: yes, weakly or not shown."""
        if self.p_value > LEVEL:
            return "not shown"
        return "yes" if abs(self.auroc - 0.5) >= STRONG else "weakly"


def properties(quality: Quality) -> dict[str, np.ndarray]:
    """What may go with a label, by name; each float (N,)."""
    return {
        "brightness": quality.brightness,
        "sharpness": quality.sharpness,
        "size": np.sqrt(quality.width * quality.height),
        "width by height": quality.width / quality.height,
    }


def associations(
    values: Mapping[str, np.ndarray], labels: np.ndarray, classes: Sequence[str]
) -> list[Association]:
    """Test each property and class, strongest first; of two classes one tells all.

    values: float (N,) by property; labels: int (N,), indices of classes. The test is that of Mann
    and Whitney (1947), corrected for the false discovery rate (Benjamini and Hochberg 1995).
    """
    kinds = range(1 if len(classes) == 2 else len(classes))
    pairs = [(name, k) for name in values if np.ptp(values[name]) for k in kinds]
    if not pairs:  # all images are alike
        return []
    # Of a few images against thousands the exact distribution takes minutes.
    tests = [
        mannwhitneyu(values[n][labels == k], values[n][labels != k], method="asymptotic")
        for n, k in pairs
    ]
    corrected = false_discovery_control([test.pvalue for test in tests])
    found = []
    for (name, k), test, p_value in zip(pairs, tests, corrected, strict=True):
        inside = int((labels == k).sum())
        outside = len(labels) - inside
        auroc = float(test.statistic) / (inside * outside)
        low, high = area_interval(auroc, outside, inside)
        found.append(Association(name, classes[k], auroc, low, high, float(p_value)))
    return sorted(found, key=lambda one: -abs(one.auroc - 0.5))
