"""Where the network looks: heat maps for a fixed list of test images, and how they are shown."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from thaw.errors import ThawError
from thaw.evaluate.predictions import (
    Predictions,
    Predictor,
    index_of,
    read_predictions,
    write_predictions,
)
from thaw.files import atomic_write

# Nine colours of matplotlib's "inferno", whose lightness rises evenly with the value.
VALUES = np.linspace(0, 1, 9)
COLOURS = np.array(
    [
        (0, 0, 4),
        (33, 12, 74),
        (87, 16, 110),
        (138, 34, 106),
        (188, 55, 84),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    dtype=np.float64,
)
STRONGEST = 0.75  # opacity where the heat is greatest


class Explained(NamedTuple):
    """N images with what the bundle says of them and why."""

    predictions: Predictions
    images: np.ndarray  # uint8 (N, S, S, 3), as the network saw them
    heatmaps: np.ndarray  # float32 (N, C, h, w), 0 or more


def choose(rows: Iterable[dict[str, Any]], labels: list[str], per_class: int) -> list[str]:
    """Names of the first `per_class` images of each class by SHA-256.

    rows: name, label and sha256 of the test split. The order has nothing to do with what the
    images show, so nobody picked them, and a new image shifts the list by one at most.
    """
    ordered = sorted(rows, key=lambda row: (row["sha256"], row["name"]))
    return [
        name
        for label in labels
        for name in [row["name"] for row in ordered if row["label"] == label][:per_class]
    ]


def explain(predictor: Predictor, rows: list[dict[str, Any]]) -> Explained:
    """Run the bundle over rows of the test split (name, label, bytes); raises ThawError at none."""
    if not rows:
        raise ThawError(
            "there must be a test image to explain, but there is none: raise "
            "evaluate.explain_per_class or split.test"
        )
    images = np.stack([predictor.decode(row["bytes"]) for row in rows])
    probabilities, heatmaps = predictor.predict(images)
    truth = np.array([index_of(row["label"], predictor.labels) for row in rows])
    names = [row["name"] for row in rows]
    split = np.array(["test"] * len(rows), dtype=object)
    predictions = Predictions(list(predictor.labels), names, split, truth, probabilities)
    return Explained(predictions, images, heatmaps)


def write_explained(folder: Path, explained: Explained) -> None:
    """Write rows.csv, like predictions.csv, images.npy and heatmaps.npy."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        write_predictions(temporary / "rows.csv", explained.predictions)
        np.save(temporary / "images.npy", explained.images)
        np.save(temporary / "heatmaps.npy", explained.heatmaps)


def read_explained(folder: Path) -> Explained:
    """Read what write_explained wrote."""
    return Explained(
        read_predictions(folder / "rows.csv"),
        np.load(folder / "images.npy"),
        np.load(folder / "heatmaps.npy"),
    )


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay one Grad-CAM map (Selvaraju et al. 2017, eq. 2) over its image.

    image: uint8 RGB (H, W, 3); heat: float (h, w), 0 or more, of any scale. Returns uint8 RGB
    (H, W, 3): the map stretched bilinearly, divided by its maximum, coloured from dark to light,
    and the more opaque the hotter. A map of zeros leaves the image as it is.
    """
    height, width = image.shape[:2]
    stretched = Image.fromarray(heat.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    warmth = np.asarray(stretched, dtype=np.float64).clip(min=0)
    warmth = warmth / warmth.max() if warmth.max() > 0 else warmth
    colour = np.stack([np.interp(warmth, VALUES, channel) for channel in COLOURS.T], axis=-1)
    opacity = STRONGEST * warmth[..., None]
    return np.rint((1 - opacity) * image + opacity * colour).astype(np.uint8)
