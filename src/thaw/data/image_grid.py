"""Images in labelled rows, as one PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from thaw.files import atomic_write

CELL = 1.1  # inches an image
MARGIN = 1.0  # inches for the labels on the left
HEAD = 0.35  # inches for the title
NAMES = 0.2  # inches for the columns' names
DPI = 120


def write_image_grid(
    path: Path,
    title: str,
    rows: Sequence[tuple[str, Sequence[np.ndarray]]],
    columns: Sequence[str] = (),
) -> None:
    """Write one row a label, each of RGB uint8 images (S, S, 3); the same input, the same bytes.

    A row may hold fewer images than the longest. `columns` names the columns.
    """
    across = max(len(images) for _, images in rows)
    head = HEAD + (NAMES if columns else 0)
    width, height = MARGIN + CELL * across, head + CELL * len(rows)
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), across, squeeze=False)
    figure.subplots_adjust(
        left=MARGIN / width, right=0.99, bottom=0.05 / height, top=1 - head / height,
        wspace=0.04, hspace=0.04,
    )  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
    for row, (label, images) in zip(grid, rows, strict=True):
        place = row[0].transAxes
        row[0].text(-0.08, 0.5, _plain(label), transform=place, ha="right", va="center", fontsize=9)
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image, interpolation="antialiased")
    for axes, name in zip(grid[0], columns, strict=False):
        axes.set_title(_plain(name), fontsize=8, pad=3)
    figure.text(0.02, 1 - 0.08 / height, _plain(title), fontsize=11, va="top")
    with atomic_write(path) as temporary:
        # Without its version, which matplotlib would write into the file.
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _plain(text: str) -> str:
    """Keep matplotlib from reading a dollar sign in a class name as mathematics."""
    return text.replace("$", r"\$")
