"""Draw what the page of a comparison shows, as SVG."""

import io
from collections.abc import Callable, Iterable, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from thaw.data.plot_text import drawable, fonts_for
from thaw.evaluate.plots import BLUE, GREY, ORANGE, STYLE, draw_confusion, phase_starts
from thaw.evaluate.predictions import Predictions
from thaw.experiments.compare import Comparison
from thaw.experiments.paired_tests import UNCLEAR, predictions
from thaw.experiments.setting import Setting

Ranges = dict[str, tuple[float, float]]  # of the axis, by measure
# Text stays text, in the fonts of the browser; no date, so that the same results give equal bytes.
SVG = {"svg.fonttype": "none", "svg.hashsalt": "thaw"}
MEASURES = ("loss", "accuracy")


def draw_intervals(comparison: Comparison) -> bytes:
    """Accuracy of each setting, and its difference to the first, with their 95 % intervals."""
    return _draw_rows(comparison, [_draw_accuracies, _draw_differences], 12)


def draw_accuracies(comparison: Comparison) -> bytes:
    """Accuracy of each setting, with its 95 % interval."""
    return _draw_rows(comparison, [_draw_accuracies], 6.5)


def draw_differences(comparison: Comparison) -> bytes:
    """Difference in accuracy of each setting to the first, with its 95 % interval."""
    return _draw_rows(comparison, [_draw_differences], 6.5)


def _draw_rows(
    comparison: Comparison, panels: Sequence[Callable[[Axes, Comparison], None]], width: float
) -> bytes:
    """Panels side by side, in each a row for each setting. width: inches."""
    names = [setting.label for setting in comparison.settings]
    with matplotlib.rc_context(STYLE | SVG | {"font.family": fonts_for(names)}):
        figure = Figure(figsize=(width, 1.1 + 0.34 * len(names)), layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
        for axes, draw in zip(grid.flat, panels, strict=True):
            draw(axes, comparison)
        first = grid[0, 0]
        first.set_yticks(range(len(names)), [drawable(name) for name in names])
        first.set_ylim(len(names) - 0.5, -0.5)
        return as_svg(figure)


def _draw_accuracies(axes: Axes, comparison: Comparison) -> None:
    for row, score in enumerate(comparison.scores):
        _interval(axes, row, (score.accuracy, score.low, score.high), BLUE)
    axes.set_title(f"Accuracy ({comparison.images})")


def _draw_differences(axes: Axes, comparison: Comparison) -> None:
    for pair in comparison.pairs:
        if pair.first == 0:
            values = (-pair.difference, -pair.high, -pair.low)
            colour = GREY if pair.verdict == UNCLEAR else ORANGE
            _interval(axes, pair.second, values, colour)
    axes.axvline(0, color=GREY, linewidth=1, linestyle=":")
    axes.set_title("Difference to the first; orange: shown")


def _interval(axes: Axes, row: int, values: tuple[float, float, float], colour: str) -> None:
    middle, low, high = values
    axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot(middle, row, "o", color=colour, markersize=6)


def shared_ranges(curves: Iterable[pd.DataFrame]) -> Ranges:
    """The range of losses and of accuracies over all learning curves."""
    table = pd.concat(list(curves))
    ranges = {}
    for measure in MEASURES:
        values = table[[f"train_{measure}", f"val_{measure}"]].to_numpy()
        margin = 0.05 * (np.ptp(values) or 1)
        ranges[measure] = (float(values.min() - margin), float(values.max() + margin))
    return ranges


def draw_setting(setting: Setting, images: str, ranges: Ranges) -> bytes:
    """Learning curves of all runs of a setting, and their confusion matrix."""
    with matplotlib.rc_context(STYLE | SVG | {"font.family": _fonts(setting, images)}):
        figure = Figure(figsize=(12, 3.1), layout="constrained")
        *curves, confusion = figure.subplots(1, 3)
        for axes, measure in zip(curves, MEASURES, strict=True):
            _draw_curves(axes, setting, measure, ranges[measure])
        _draw_confusion(confusion, setting, images)
        return as_svg(figure)


def draw_learning_curves(setting: Setting, ranges: Ranges) -> bytes:
    """Learning curves of all runs of a setting."""
    with matplotlib.rc_context(STYLE | SVG):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        for axes, measure in zip(figure.subplots(1, 2), MEASURES, strict=True):
            _draw_curves(axes, setting, measure, ranges[measure])
        return as_svg(figure)


def draw_setting_confusion(setting: Setting, images: str) -> bytes:
    """The confusion matrix of all runs of a setting."""
    with matplotlib.rc_context(STYLE | SVG | {"font.family": _fonts(setting, images)}):
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        _draw_confusion(figure.subplots(), setting, images)
        return as_svg(figure)


def _fonts(setting: Setting, images: str) -> list[str]:
    return fonts_for(predictions(setting.runs[0], images).labels)


def _draw_confusion(axes: Axes, setting: Setting, images: str) -> None:
    draw_confusion(axes, _joined([predictions(run, images) for run in setting.runs]))
    axes.set_title(f"Confusion matrix ({images})")


def _draw_curves(axes: Axes, setting: Setting, measure: str, limits: tuple[float, float]) -> None:
    for run in setting.runs:
        table = run.curves
        for part, colour in (("train", BLUE), ("val", ORANGE)):
            label = part if run is setting.runs[0] else None
            values = table[f"{part}_{measure}"]
            axes.plot(
                table["epoch"], values, "o-", color=colour, markersize=3, alpha=0.8, label=label
            )
        for row in phase_starts(table).itertuples():
            axes.axvline(row.epoch - 0.5, color=GREY, linestyle=":", linewidth=1)
    axes.set(title=measure.capitalize(), xlabel="epoch", ylim=limits)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")


def _joined(found: list[Predictions]) -> Predictions:
    """The predictions of several runs as one."""
    return Predictions(
        found[0].labels,
        [name for each in found for name in each.names],
        np.concatenate([each.split for each in found]),
        np.concatenate([each.truth for each in found]),
        np.concatenate([each.probabilities for each in found]),
    )


def as_svg(figure: Figure) -> bytes:
    """The figure; the same one gives the same bytes under the settings SVG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
