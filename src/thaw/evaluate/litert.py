"""Compare the LiteRT file with the bundle on test images."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.evaluate.predictions import Predictions


class Device(Protocol):
    """A classifier for one image at a time; see `thaw.litert.LiteRT`."""

    megabytes: float

    def predict(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 RGB (S, S, 3) → the outputs by name."""


def litert_metrics(
    device: Device, images: Iterable[np.ndarray], test: Predictions, rule: DecisionRule
) -> Iterator[tuple[str, float]]:
    """Yield how many answers equal the bundle's, and the largest difference of a probability.

    images: those of `test`, the bundle's predictions, in their order, uint8 (S, S, 3). Raises
    ThawError if a probability is not finite.
    """
    found = np.stack([device.predict(image)["probabilities"] for image in images])
    if not np.isfinite(found).all():
        raise ThawError(
            "probabilities must be finite, but some of the LiteRT file are not: train again"
        )
    (answers, _), (expected, _) = rule.decide(found), rule.decide(test.probabilities)
    yield "labels_equal", int((answers == expected).sum())
    yield "n", len(found)
    yield "largest_difference", float(np.abs(found - test.probabilities).max())
    yield "megabytes", device.megabytes
