"""Images to look at: the worst mistakes, and where the network looked."""

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from thaw.evaluate.gradcam import Explained, overlay
from thaw.evaluate.plots import BLUE, ORANGE, STYLE, save
from thaw.evaluate.predictions import Predictions
from thaw.images import to_rgb

ACROSS = 6  # images in a row of the gallery
SIDE, MARGIN = 1.4, 0.08  # inches; drawn with 100 dots an inch
LINE = 0.16  # inches a line of words


def worst_mistakes(test: Predictions, count: int) -> np.ndarray:
    """Indices of the `count` wrong answers that the network was surest of, worst first."""
    wrong = np.flatnonzero(test.predicted != test.truth)
    order = np.argsort(-test.probabilities.max(axis=1)[wrong], kind="stable")
    return wrong[order][:count]


def thumbnail(data: bytes) -> np.ndarray:
    """Encoded image → small uint8 RGB (h, w, 3) that keeps its aspect, for people to see."""
    with Image.open(io.BytesIO(data)) as image:
        small = to_rgb(image)
    small.thumbnail((140, 140), Image.Resampling.BILINEAR)
    return np.asarray(small)


def draw_mistakes(
    path: Path, test: Predictions, chosen: np.ndarray, images: Mapping[str, np.ndarray]
) -> None:
    """Draw the chosen test images with what they are and what they were taken for, as PNG.

    chosen: indices into `test`; images: uint8 RGB of any size, by name.
    """
    rows = max(1, -(-len(chosen) // ACROSS))
    with matplotlib.rc_context(STYLE):
        figure, panels = grid(rows, ACROSS, 2)
        if not len(chosen):
            words = f"No mistakes on {len(test.truth):,} test images"
            figure.text(0.5, 0.5, words, ha="center", va="center", fontsize=13)
        for axes, index in zip(panels.flat, chosen.tolist(), strict=False):
            axes.imshow(images[test.names[index]])
            axes.set_anchor("N")
            caption(axes, f"said {answer(test, index)}", ORANGE, line=1)
            caption(axes, f"is {test.names[index]}", "black")
        save(figure, path)


def draw_gradcam(path: Path, explained: Explained) -> None:
    """Draw each image beside its heat map for the predicted class, a row a class, as PNG."""
    said = explained.predictions
    members = [np.flatnonzero(said.truth == k) for k in range(len(said.labels))]
    with matplotlib.rc_context(STYLE):
        figure, panels = grid(len(members), 2 * max(map(len, members)), 1)
        for row, indices in zip(panels, members, strict=True):
            for place, index in enumerate(indices.tolist()):
                image, heat = row[2 * place], row[2 * place + 1]
                right = said.predicted[index] == said.truth[index]
                image.imshow(explained.images[index])
                caption(image, f"is {said.labels[said.truth[index]]}", "black")
                heatmap = explained.heatmaps[index, said.predicted[index]]
                heat.imshow(overlay(explained.images[index], heatmap))
                caption(heat, f"said {answer(said, index)}", BLUE if right else ORANGE)
        save(figure, path)


def answer(predictions: Predictions, index: int) -> str:
    """The predicted class and its probability, cut rather than rounded, so 1 means 1."""
    k = predictions.predicted[index]
    share = np.floor(1000 * float(predictions.probabilities[index, k])) / 1000
    return f"{predictions.labels[k]} {share:.3f}"


def grid(rows: int, columns: int, lines: int) -> tuple[Figure, np.ndarray]:
    """A figure with bare axes (rows, columns) for images, and `lines` of words above each."""
    gap = MARGIN + lines * LINE
    width, height = columns * (SIDE + MARGIN) + MARGIN, rows * (SIDE + gap) + MARGIN
    figure = Figure(figsize=(width, height))
    places = {
        "left": MARGIN / width,
        "right": 1 - MARGIN / width,
        "bottom": MARGIN / height,
        "top": 1 - gap / height,
        "wspace": MARGIN / SIDE,
        "hspace": gap / SIDE,
    }
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw=places)
    for axes in panels.flat:
        axes.set_axis_off()
    return figure, panels


def caption(axes: Axes, words: str, colour: str, line: int = 0) -> None:
    """Words over an image, `line` lines up, cut in the middle where they are long."""
    words = words if len(words) <= 22 else f"{words[:9]}…{words[-12:]}"
    axes.annotate(
        words,
        (0.5, 1),
        xycoords="axes fraction",
        xytext=(0, 4 + 11 * line),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=colour,
    )
