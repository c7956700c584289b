"""Write images in labelled rows to one PNG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from thaw.data.plot_text import drawable, fonts_for, shorten
from thaw.files import atomic_write

# Inches.
CELL = 1.1  # width and height of an image's cell
LABEL_WIDTH = 1.0
TITLE_HEIGHT = 0.35
COLUMN_NAME_HEIGHT = 0.2
DPI = 120
MAX_ROWS = 100  # a PNG of matplotlib has at most 65,535 pixels a side


def write_image_grid(
    path: Path,
    title: str,
    rows: Sequence[tuple[str, Sequence[np.ndarray]]],
    column_names: Sequence[str] = (),
) -> None:
    """Write one row per label, at most MAX_ROWS. The same input gives the same bytes.

    rows: labels, each with its images, uint8 RGB (S, S, 3); rows may differ in length.
    """
    rows = rows[:MAX_ROWS]
    texts = [title, *column_names, *(label for label, _ in rows)]
    with matplotlib.rc_context({"font.family": fonts_for(texts)}):
        figure = _draw(title, rows, column_names)
        with atomic_write(path) as temporary:
            # By default matplotlib writes its version into the file.
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw(
    title: str, rows: Sequence[tuple[str, Sequence[np.ndarray]]], column_names: Sequence[str]
) -> Figure:
    columns = max(len(images) for _, images in rows)
    header = TITLE_HEIGHT + (COLUMN_NAME_HEIGHT if column_names else 0)
    width, height = LABEL_WIDTH + CELL * columns, header + CELL * len(rows)
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    figure.subplots_adjust(
        left=LABEL_WIDTH / width, right=0.99, bottom=0.05 / height, top=1 - header / height,
        wspace=0.04, hspace=0.04,
    )  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
    for row, (label, images) in zip(grid, rows, strict=True):
        row[0].text(
            -0.08, 0.5, _escape(shorten(label)), transform=row[0].transAxes, ha="right",
            va="center", fontsize=9,
        )  # fmt: skip
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image, interpolation="antialiased")
    for axes, name in zip(grid[0], column_names, strict=False):
        axes.set_title(_escape(drawable(name)), fontsize=8, pad=3)
    figure.text(0.02, 1 - 0.08 / height, _escape(drawable(title)), fontsize=11, va="top")
    return figure


def _escape(text: str) -> str:
    """Escape dollar signs, which matplotlib would read as the start of a formula."""
    return text.replace("$", r"\$")
