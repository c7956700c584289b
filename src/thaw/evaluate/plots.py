"""Draw the overview of training and evaluation."""

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

from thaw.data.plot_text import DEFAULT_FONT, fonts_for, shorten
from thaw.evaluate.mistakes import confusion_matrix
from thaw.evaluate.predictions import Predictions
from thaw.files import atomic_write

# Okabe and Ito (2008): distinguishable with any kind of colour vision.
BLUE, ORANGE, GREEN, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
PALETTE = [BLUE, ORANGE, GREEN, PINK, SKY, "#E69F00", "#000000"]
GREY = "#666666"
STYLE: dict[Any, Any] = {
    "font.family": DEFAULT_FONT,
    "font.size": 10,
    "text.parse_math": False,  # class names may contain dollar signs
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
HEADLINE = ("accuracy", "accuracy_low", "accuracy_high", "n")  # of metrics/eval.json
COMPRESS_LEVEL = 4  # of zlib; its default, 6, takes twice the time for files 2 % smaller
MAX_LABELLED = 12  # classes whose names and counts are readable


def draw_overview(
    path: Path,
    metrics: Mapping[str, Any],
    test: Predictions,
    tables: Mapping[str, pd.DataFrame],
) -> None:
    """Draw learning curves, confusion matrix, per-class metrics, and the curves on test, as PNG.

    metrics: those of metrics/eval.json; tables: learning_curves, roc, precision_recall,
    calibration, risk_coverage and per_class, as thaw.evaluate.tables reads them.
    """
    with matplotlib.rc_context(STYLE | {"font.family": fonts_for(test.labels)}):
        figure = Figure(figsize=(14, 7.6), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[5, 6]).flat
        axes = upper.subplot_mosaic([["loss", "accuracy", "confusion", "classes"]])
        axes |= lower.subplot_mosaic([["roc", "recall", "calibration", "coverage"]])
        figure.suptitle(headline(metrics), fontsize=13, x=0.01, ha="left")
        draw_learning(axes["loss"], tables["learning_curves"], "loss")
        draw_learning(axes["accuracy"], tables["learning_curves"], "accuracy")
        draw_confusion(axes["confusion"], test)
        draw_curves(axes["roc"], tables["roc"], "ROC curve")
        axes["roc"].plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
        draw_curves(axes["recall"], tables["precision_recall"], "Precision-recall curve")
        draw_reliability(axes["calibration"], tables["calibration"])
        draw_risk_coverage(axes["coverage"], tables["risk_coverage"])
        draw_per_class(axes["classes"], tables["per_class"])
        save(figure, path)


def headline(metrics: Mapping[str, Any]) -> str:
    """Test accuracy with its interval, as a sentence."""
    *shares, n = (metrics[name] for name in HEADLINE)
    accuracy, low, high = (f"{100 * share:.1f}" for share in shares)
    return f"Accuracy {accuracy} % on {n:,} test images (95 % Wilson interval {low} to {high} %)"


def draw_learning(axes: Axes, history: pd.DataFrame, measure: str) -> None:
    """Plot train and val over epochs, with a vertical line where a phase begins."""
    for split, colour, marker in (("train", BLUE, "o"), ("val", ORANGE, "s")):
        values = history[f"{split}_{measure}"]
        axes.plot(history["epoch"], values, color=colour, marker=marker, markersize=4, label=split)
    for row in phase_starts(history).itertuples():
        axes.axvline(row.epoch - 0.5, color=GREY, linestyle=":", linewidth=1.5)
        late = row.epoch > history["epoch"].max() / 2  # more room left of the line
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
    axes.set_xlim(0.5, history["epoch"].max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.12)
    axes.legend(loc="best")


def phase_starts(history: pd.DataFrame) -> pd.DataFrame:
    """The first epoch of each phase except the first phase."""
    return history[history["phase"] != history["phase"].shift()].iloc[1:]


def draw_curves(axes: Axes, table: pd.DataFrame, title: str) -> None:
    """Plot one line per class; the last two columns of the table are x and y, from 0 to 1."""
    x, y = table.columns[-2:]
    classes = table.groupby("class", sort=False)
    for label, points in classes:
        axes.plot(points[x], points[y], label=shorten(label), clip_on=False)
    axes.set(
        title=title,
        xlabel=x.replace("_", " "),
        ylabel=y.replace("_", " "),
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    if len(classes) <= MAX_LABELLED:
        axes.legend(loc="lower right" if title == "ROC curve" else "lower left")


def draw_confusion(axes: Axes, test: Predictions) -> None:
    """Draw counts; each cell is shaded by its fraction of the true class."""
    classes = len(test.labels)
    counts = confusion_matrix(test)
    fractions = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(title="Confusion matrix", xlabel="predicted label", ylabel="true label")
    axes.grid(visible=False)
    if classes > MAX_LABELLED:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        return
    names = [shorten(label) for label in test.labels]
    axes.set_xticks(range(classes), names, rotation=0 if classes <= 4 else 30)
    axes.set_yticks(range(classes), names)
    for row, column in np.ndindex(counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            color="white" if fractions[row, column] > 0.5 else "black",
            fontsize=16 if classes <= 3 else 9,
        )


def draw_reliability(axes: Axes, table: pd.DataFrame) -> None:
    """Plot accuracy over confidence, after and before calibration, and the size of each bin."""
    bins = table[table["calibration"] == "after"]
    width = bins["upper"] - bins["lower"]
    fractions = bins["count"] / bins["count"].sum()
    bars = axes.bar(
        bins["lower"],
        fractions,
        0.9 * width,
        align="edge",
        color="#CFE3F1",
        label="fraction of images",
    )
    if len(bins) <= MAX_LABELLED:
        axes.bar_label(bars, bins["count"], fontsize=8, color=GREY, padding=1)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    for when, colour, marker in (("before", GREY, "o:"), ("after", BLUE, "o-")):
        points = table[table["calibration"] == when]
        x, y = points["confidence"], points["accuracy"]
        axes.plot(x, y, marker, color=colour, markersize=5, label=f"{when} calibration")
    axes.set(title="Reliability diagram", xlabel="confidence", ylabel="accuracy")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="best", fontsize=8)


def draw_risk_coverage(axes: Axes, curve: pd.DataFrame) -> None:
    """Plot the error rate among the most certain images over their share."""
    axes.plot(curve["coverage"], curve["risk"], color=BLUE)
    axes.set(title="Risk–coverage curve", xlabel="coverage", ylabel="error rate")
    axes.set(xlim=(0, 1), ylim=(0, max(0.01, 1.1 * curve["risk"].max())))


def draw_per_class(axes: Axes, classes: pd.DataFrame) -> None:
    """Draw precision, recall and F1 of each class as bars; of many classes, those of lowest F1."""
    title, most = "Per-class metrics", 2 * MAX_LABELLED
    if len(classes) > most:
        title = f"Per-class metrics, lowest {most} of {len(classes):,}"
        classes = classes.sort_values("f1", kind="stable").iloc[:most]
    positions = np.arange(len(classes))
    for k, (name, colour) in enumerate((("precision", BLUE), ("recall", ORANGE), ("f1", GREEN))):
        bars = axes.barh(positions + 0.27 * (k - 1), classes[name], 0.25, color=colour, label=name)
        if len(classes) <= 4:
            axes.bar_label(bars, fmt="%.3f", padding=-36, color="white", fontsize=9)
    axes.set(title=title, xlim=(0, 1))
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    small = 7 if len(classes) > MAX_LABELLED else None
    axes.set_yticks(positions, map(shorten, classes["class"]), fontsize=small)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, columnspacing=1)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    with atomic_write(path) as temporary:
        figure.savefig(
            temporary,
            format="png",
            dpi=100,
            metadata={"Software": None},
            pil_kwargs={"compress_level": COMPRESS_LEVEL},
        )
