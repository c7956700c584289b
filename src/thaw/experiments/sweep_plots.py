"""Write what a sweep shows: accuracy and loss against each setting that varies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from thaw.data.plot_text import drawable, fonts_for
from thaw.evaluate.plots import GREY, PALETTE, STYLE, save
from thaw.evaluate.tables import write_table
from thaw.experiments.comparison_plots import SVG, as_svg
from thaw.experiments.experiment import SEEDS, Experiment
from thaw.experiments.paired_tests import common_images
from thaw.experiments.setting import differing, shown

DEPTH = "train.freeze_till"
FROZEN = "freeze_till"  # the column with the number of layers
PARAMETERS = "trainable_parameters"
MEASURES = ("accuracy", "loss")
CAPTION = (
    "Solid: validation. Dashed: train, under dropout. Both at the best epoch, as means over seeds; "
    "bands reach from the lowest to the highest."
)
MOST_KEYS = 4  # that are drawn; a combination of more makes too many lines
LINES = {"val": "-", "train": "--"}
LOG_FROM = 30  # ratio of the largest to the smallest value of a key that is drawn on a log scale


def write_sweep(folder: Path, experiments: Sequence[Experiment]) -> None:
    """Write sweep.csv, a row for each experiment, and sweep.png. Neither has test figures."""
    table = sweep_table(experiments)
    write_table(folder / "sweep.csv", table)
    draw_sweep(folder / "sweep.png", table, varying(experiments) or [SEEDS[0]])


def varying(experiments: Sequence[Experiment]) -> list[str]:
    """Columns of the params that differ; the depth, as a number of layers, first."""
    keys = differing(experiments)
    return [FROZEN] * (DEPTH in keys) + [key for key in keys if key != DEPTH]


def sweep_table(experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Name, params that differ, seeds, and results at the best epoch, by validation loss.

    Train figures are means over the epoch, under dropout, as training logs them.
    """
    keys = [key for key in varying(experiments) if key != FROZEN]
    rows = []
    for experiment in experiments:
        best = experiment.curves.loc[experiment.curves["val_loss"].idxmin()]
        row: dict[str, Any] = {"experiment": experiment.name}
        row |= {key: shown(experiment.params.get(key)) for key in keys}
        row |= {key: experiment.params.get(key) for key in SEEDS}
        row |= {key: experiment.metrics[key] for key in (FROZEN, PARAMETERS)}
        row |= {
            f"{part}_{measure}": best[f"{part}_{measure}"] for measure in MEASURES for part in LINES
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    if common_images(experiments) != "val":
        table["out_of_fold_accuracy"] = [_out_of_fold_accuracy(each) for each in experiments]
    return table


def _out_of_fold_accuracy(experiment: Experiment) -> float:
    found = experiment.out_of_fold
    return float(np.mean(found.predicted == found.truth)) if found else float("nan")


def draw_sweep(path: Path, table: pd.DataFrame, keys: Sequence[str]) -> None:
    """Draw accuracy and loss, of train and val, against each of the columns `keys`, as PNG.

    A line for each combination of the other keys; a band from the lowest to the highest seed. Of
    many keys the first MOST_KEYS are drawn.
    """
    with matplotlib.rc_context(_style(table, keys)):
        figure = _figure(table, keys, MEASURES)
        figure.suptitle(CAPTION, fontsize=10, x=0.01, ha="left", color=GREY)
        save(figure, path)


def draw_measure(experiments: Sequence[Experiment], measure: str) -> bytes:
    """The same of one of MEASURES, against the params in which experiments differ, as SVG."""
    table, keys = sweep_table(experiments), varying(experiments)
    with matplotlib.rc_context(_style(table, keys) | SVG):
        return as_svg(_figure(table, keys, [measure]))


def _style(table: pd.DataFrame, keys: Sequence[str]) -> dict[Any, Any]:
    texts = [str(value) for key in keys[:MOST_KEYS] for value in table[key]]
    return STYLE | {"font.family": fonts_for(texts)}


def _figure(table: pd.DataFrame, keys: Sequence[str], measures: Sequence[str]) -> Figure:
    keys = keys[:MOST_KEYS]
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(6 * len(measures), 4.4 * len(keys)), layout=layout)
    grid = figure.subplots(len(keys), len(measures), squeeze=False)
    for key, panels in zip(keys, grid, strict=True):
        others = [other for other in keys if other != key]
        for axes, measure in zip(panels, measures, strict=True):
            _draw_measure(axes, table, key, others, measure)
        _draw_parameters(panels, table, key, others)
        if others:
            panels[0].legend(loc="best", fontsize=8)
    return figure


def _draw_measure(
    axes: Axes, table: pd.DataFrame, key: str, others: list[str], measure: str
) -> None:
    positions, shades = _positions(axes, table[key]), matplotlib.colormaps["viridis"]
    lines = list(table.groupby(others, sort=False)) if others else [((), table)]
    for number, (values, rows) in enumerate(lines):
        colour = PALETTE[number] if len(lines) <= len(PALETTE) else shades(number / len(lines))
        pairs = zip(others, values, strict=True)
        setting = " ".join(f"{name.rpartition('.')[2]}={drawable(str(v))}" for name, v in pairs)
        for part, style in LINES.items():
            seeds = rows.groupby(positions[rows.index])[f"{part}_{measure}"]
            mean, low, high = seeds.mean(), seeds.min(), seeds.max()
            label = setting if setting and part == "val" else None
            axes.plot(mean.index, mean, f"o{style}", color=colour, markersize=4, label=label)
            axes.fill_between(mean.index, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(title=measure.capitalize(), xlabel=key)


def _positions(axes: Axes, values: pd.Series) -> pd.Series:
    """Where each row is on the axis: its number, or, of texts, the place in order of appearance."""
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        order = list(dict.fromkeys(values))
        axes.set_xticks(range(len(order)), [drawable(value) for value in order])
        return values.map(order.index)
    if numbers.min() > 0 and numbers.max() / numbers.min() >= LOG_FROM and values.name != FROZEN:
        axes.set_xscale("log")
    ticks = sorted(set(numbers))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    return numbers


def _draw_parameters(
    panels: Sequence[Axes], table: pd.DataFrame, key: str, others: list[str]
) -> None:
    """Trainable parameters on a second axis, if they vary with the key alone."""
    alike = table.assign(all=0).groupby(others or "all")
    if alike[PARAMETERS].nunique().max() == 1:
        return
    for axes in panels:
        means = table[PARAMETERS].groupby(_positions(axes, table[key])).mean()
        second = axes.twinx()
        second.plot(means.index, means, ":", color=GREY, marker="x", linewidth=1)
        second.set_yscale("log")
        second.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        second.yaxis.set_major_formatter(EngFormatter(sep=""))
        second.yaxis.set_minor_locator(NullLocator())
        second.set_ylabel("trainable parameters (dotted)", color=GREY)
        second.tick_params(colors=GREY)
        second.grid(visible=False)
        second.spines["right"].set_visible(True)
        axes.set_zorder(second.get_zorder() + 1)
        axes.patch.set_visible(False)
