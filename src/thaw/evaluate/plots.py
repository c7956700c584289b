"""The overview: one look at how training went and what came of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator

from thaw.evaluate.predictions import Predictions
from thaw.files import atomic_write

# Okabe and Ito (2008): told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
PALETTE = [BLUE, ORANGE, GREEN, PINK, SKY, "#E69F00", "#000000"]
GREY = "#666666"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same
    "font.size": 10,
    "text.parse_math": False,  # a class name may hold dollar signs
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "lines.linewidth": 2,
}
FEW = 12  # classes whose names and counts can still be read


def draw_overview(
    path: Path,
    metrics: Mapping[str, Any],
    test: Predictions,
    tables: Mapping[str, pd.DataFrame],
) -> None:
    """Draw learning curves, confusion, ROC, precision-recall, calibration and class bars as PNG.

    metrics: those of metrics/eval.json; tables: learning_curves, roc, precision_recall,
    calibration and per_class, as thaw.evaluate.tables reads them.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(14, 7.6), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[5, 6]).flat
        axes = upper.subplot_mosaic([["loss", "accuracy", "confusion"]])
        axes |= lower.subplot_mosaic([["roc", "recall", "calibration", "classes"]])
        figure.suptitle(headline(metrics), fontsize=13, x=0.01, ha="left")
        draw_learning(axes["loss"], tables["learning_curves"], "loss")
        draw_learning(axes["accuracy"], tables["learning_curves"], "accuracy")
        draw_confusion(axes["confusion"], test)
        draw_curves(axes["roc"], tables["roc"], "ROC")
        axes["roc"].plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
        draw_curves(axes["recall"], tables["precision_recall"], "Precision and recall")
        draw_calibration(axes["calibration"], tables["calibration"])
        draw_classes(axes["classes"], tables["per_class"])
        save(figure, path)


def headline(metrics: Mapping[str, Any]) -> str:
    """The accuracy on test with its interval, in words."""
    right, low, high = (
        f"{100 * metrics[name]:.1f}" for name in ("accuracy", "accuracy_low", "accuracy_high")
    )
    return f"{right} % of {metrics['n']:,} test images right (95 % interval {low} to {high} %)"


def draw_learning(axes: Axes, history: pd.DataFrame, measure: str) -> None:
    """Train and val over the epochs, with a line where the second phase begins."""
    for part, colour, marker in (("train", BLUE, "o"), ("val", ORANGE, "s")):
        values = history[f"{part}_{measure}"]
        axes.plot(history["epoch"], values, color=colour, marker=marker, markersize=4, label=part)
    for row in switches(history).itertuples():
        axes.axvline(row.epoch - 0.5, color=GREY, linestyle=":", linewidth=1.5)
        late = row.epoch > history["epoch"].max() / 2  # more room before the line than behind it
        axes.annotate(
            f"{row.phase} →",
            (row.epoch - 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if late else 4, -11),
            textcoords="offset points",
            ha="right" if late else "left",
            color=GREY,
            fontsize=9,
        )
    axes.set(title=measure.capitalize(), xlabel="epoch")
    axes.set_xlim(left=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    axes.legend(loc="best")


def switches(history: pd.DataFrame) -> pd.DataFrame:
    """The first epoch of each phase but the first."""
    return history[history["phase"] != history["phase"].shift()].iloc[1:]


def short(label: str) -> str:
    """A class name that fits beside an axis."""
    return label if len(label) <= 14 else f"{label[:13]}…"


def draw_curves(axes: Axes, table: pd.DataFrame, title: str) -> None:
    """One line a class; the table's last two columns are x and y, from 0 to 1."""
    x, y = table.columns[-2:]
    classes = table.groupby("class", sort=False)
    for label, points in classes:
        axes.plot(points[x], points[y], label=short(label), clip_on=False)
    axes.set(
        title=title,
        xlabel=x.replace("_", " "),
        ylabel=y.replace("_", " "),
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    if len(classes) <= FEW:
        axes.legend(loc="lower right" if title == "ROC" else "lower left")


def draw_confusion(axes: Axes, test: Predictions) -> None:
    """Counts, each row shaded by its share of the true class."""
    classes = len(test.labels)
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (test.truth, test.predicted), 1)
    share = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(title="Confusion", xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    if classes > FEW:
        return
    names = [short(label) for label in test.labels]
    axes.set_xticks(range(classes), names, rotation=0 if classes <= 4 else 30)
    axes.set_yticks(range(classes), names)
    for row, column in np.ndindex(counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.5 else "black",
            fontsize=16 if classes <= 3 else 9,
        )


def draw_calibration(axes: Axes, bins: pd.DataFrame) -> None:
    """Accuracy over confidence, above bars of the share of images that each bin rests on."""
    width = bins["upper"] - bins["lower"]
    share = bins["count"] / bins["count"].sum()
    bars = axes.bar(
        bins["lower"], share, 0.9 * width, align="edge", color="#CFE3F1", label="share of images"
    )
    if len(bins) <= FEW:
        axes.bar_label(bars, bins["count"], fontsize=8, color=GREY, padding=1)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    axes.plot(
        bins["confidence"], bins["accuracy"], "o-", color=BLUE, markersize=5, label="accuracy"
    )
    axes.set(title="Calibration", xlabel="confidence", ylabel="accuracy")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="upper left")


def draw_classes(axes: Axes, classes: pd.DataFrame) -> None:
    """Precision, recall and F1 of each class, as bars."""
    place = np.arange(len(classes))
    for k, (name, colour) in enumerate((("precision", BLUE), ("recall", ORANGE), ("f1", GREEN))):
        bars = axes.barh(place + 0.27 * (k - 1), classes[name], 0.25, color=colour, label=name)
        if len(classes) <= 4:
            axes.bar_label(bars, fmt="%.3f", padding=-36, color="white", fontsize=9)
    axes.set(title="Classes", xlim=(0, 1))
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    named = len(classes) <= 2 * FEW
    axes.set_yticks(place, [short(label) if named else "" for label in classes["class"]])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, columnspacing=1)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, with nothing in it that varies between runs."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
