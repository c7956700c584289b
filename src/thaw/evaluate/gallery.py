"""Draw galleries of images: the worst errors, and Grad-CAM."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thaw.data.plot_text import drawable, fonts_for
from thaw.evaluate.gradcam import Explained
from thaw.evaluate.plots import BLUE, ORANGE, STYLE, save
from thaw.evaluate.predictions import Predictions
from thaw.overlay import overlay

COLUMNS = 6  # images in a row of the errors
MAX_ROWS = 24  # classes in the Grad-CAM gallery; with a thousand, no PNG could hold them
# Inches; drawn at 100 dots per inch.
SIDE, MARGIN = 1.4, 0.08
PIXELS = 140  # of a thumbnail's longer side
LINE_HEIGHT = 0.16


def draw_mistakes(
    path: Path, test: Predictions, chosen: np.ndarray, images: Mapping[str, np.ndarray]
) -> None:
    """Draw the chosen test images with their predicted and true labels, as PNG.

    chosen: indices into `test`; images: uint8 RGB of any size, by name.
    """
    rows = max(1, -(-len(chosen) // COLUMNS))
    names = [test.names[index] for index in chosen]
    with matplotlib.rc_context(STYLE | {"font.family": fonts_for([*test.labels, *names])}):
        figure, panels = grid(rows, COLUMNS, 2)
        if not len(chosen):
            message = f"No errors on {len(test.truth):,} test images"
            figure.text(0.5, 0.5, message, ha="center", va="center", fontsize=13)
        for axes, index in zip(panels.flat, chosen.tolist(), strict=False):
            axes.imshow(images[test.names[index]])
            axes.set_anchor("N")
            caption(axes, f"predicted {prediction(test, index)}", ORANGE, line=1)
            caption(axes, f"true {truth(test, index)}", "black")
        save(figure, path)


def draw_gradcam(path: Path, explained: Explained) -> None:
    """Draw each image beside its heatmap for the predicted class, one row per class, as PNG.

    Of many classes it draws the first MAX_ROWS, and says in one more row how many there are.
    """
    predictions = explained.predictions
    classes = len(predictions.labels)
    by_class = [np.flatnonzero(predictions.truth == k) for k in range(min(classes, MAX_ROWS))]
    more = classes - len(by_class)
    with matplotlib.rc_context(STYLE | {"font.family": fonts_for(predictions.labels)}):
        figure, panels = grid(len(by_class) + bool(more), 2 * max(map(len, by_class)), 1)
        if more:
            caption(panels[-1, 0], f"{more:,} more classes", "black")
        for row, indices in zip(panels, by_class, strict=False):
            for column, index in enumerate(indices.tolist()):
                left, right = row[2 * column], row[2 * column + 1]
                predicted, truth = predictions.predicted[index], predictions.truth[index]
                left.imshow(explained.images[index])
                caption(left, f"true {predictions.labels[truth]}", "black")
                heatmap = explained.heatmaps[index, predicted]
                right.imshow(overlay(explained.images[index], heatmap))
                colour = BLUE if predicted == truth else ORANGE
                caption(right, f"predicted {prediction(predictions, index)}", colour)
        save(figure, path)


def truth(predictions: Predictions, index: int) -> str:
    """The name of an image, after its class if the name does not start with it."""
    label, name = predictions.labels[predictions.truth[index]], predictions.names[index]
    return name if name.startswith(f"{label}/") else f"{label} {name}"


def prediction(predictions: Predictions, index: int) -> str:
    """The predicted class and its probability, rounded down, so that 1.000 means 1."""
    k = predictions.predicted[index]
    probability = np.floor(1000 * float(predictions.probabilities[index, k])) / 1000
    return f"{predictions.labels[k]} {probability:.3f}"


def grid(rows: int, columns: int, lines: int) -> tuple[Figure, np.ndarray]:
    """A figure with empty axes (rows, columns) and `lines` of text above each."""
    gap = MARGIN + lines * LINE_HEIGHT
    width, height = columns * (SIDE + MARGIN) + MARGIN, rows * (SIDE + gap) + MARGIN
    figure = Figure(figsize=(width, height))
    layout = {
        "left": MARGIN / width,
        "right": 1 - MARGIN / width,
        "bottom": MARGIN / height,
        "top": 1 - gap / height,
        "wspace": MARGIN / SIDE,
        "hspace": gap / SIDE,
    }
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw=layout)
    for axes in panels.flat:
        axes.set_axis_off()
    return figure, panels


def caption(axes: Axes, text: str, colour: str, line: int = 0) -> None:
    """Write text above an image, `line` lines up; shorten long text in the middle."""
    text = drawable(text)
    text = text if len(text) <= 22 else f"{text[:9]}…{text[-12:]}"
    axes.annotate(
        text,
        (0.5, 1),
        xycoords="axes fraction",
        xytext=(0, 4 + 11 * line),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=colour,
    )
