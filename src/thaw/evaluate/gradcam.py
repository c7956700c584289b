"""Compute Grad-CAM heatmaps for a fixed list of test images."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from thaw.errors import ThawError
from thaw.evaluate.predictions import (
    Predictions,
    Predictor,
    index_of,
    read_predictions,
    write_predictions,
)
from thaw.files import atomic_write, damage_explained


class Explained(NamedTuple):
    """N images with their predictions and heatmaps."""

    predictions: Predictions
    images: np.ndarray  # uint8 (N, S, S, 3), the network's input
    heatmaps: np.ndarray  # float32 (N, C, h, w), not negative


def choose(rows: Iterable[dict[str, Any]], labels: list[str], per_class: int) -> list[str]:
    """Names of the first `per_class` images of each class, in order of SHA-256.

    rows: name, label and sha256 of the test split. The order is independent of the content, so
    nobody chose the images, and adding an image changes at most one of them.
    """
    ordered = sorted(rows, key=lambda row: (row["sha256"], row["name"]))
    return [
        name
        for label in labels
        for name in [row["name"] for row in ordered if row["label"] == label][:per_class]
    ]


def explain(predictor: Predictor, rows: list[dict[str, Any]]) -> Explained:
    """Run the bundle on test rows (name, label, bytes). Raises ThawError if there are none."""
    if not rows:
        raise ThawError(
            "at least one test image is needed to explain, but there is none: raise split.test"
        )
    images = np.stack([predictor.decode(row["bytes"]) for row in rows])
    answer = predictor.predict(images)
    truth = np.array([index_of(row["label"], predictor.labels) for row in rows])
    names = [row["name"] for row in rows]
    split = np.array(["test"] * len(rows), dtype=object)
    predictions = Predictions(list(predictor.labels), names, split, truth, answer.probabilities)
    return Explained(predictions, images, answer.heatmaps)


def write_explained(folder: Path, explained: Explained) -> None:
    """Write rows.csv (as predictions.csv), images.npy and heatmaps.npy."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        write_predictions(temporary / "rows.csv", explained.predictions)
        np.save(temporary / "images.npy", explained.images)
        np.save(temporary / "heatmaps.npy", explained.heatmaps)


def read_explained(folder: Path) -> Explained:
    """Read a folder that `write_explained` wrote."""
    predictions = read_predictions(folder / "rows.csv")
    with damage_explained(folder):
        images, heatmaps = np.load(folder / "images.npy"), np.load(folder / "heatmaps.npy")
        if not len(images) == len(heatmaps) == len(predictions.names):
            raise ValueError("its files must have as many rows")
    return Explained(predictions, images, heatmaps)
