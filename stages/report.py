"""Draw what came of training and evaluation; cheap, and the plots that Git shows."""

from pathlib import Path

import pandas as pd

from thaw.data.images import read_rows
from thaw.evaluate import curves
from thaw.evaluate.gallery import draw_gradcam, draw_mistakes, thumbnail, worst_mistakes
from thaw.evaluate.gradcam import read_explained
from thaw.evaluate.plots import draw_overview
from thaw.evaluate.predictions import read_predictions
from thaw.params import Declared
from thaw.stage import run

PLOTS = Path("plots")


def main(params: Declared) -> None:
    """Write the tables and pictures of plots/ that come of a result."""
    history = curves.learning_curves(pd.read_csv("outputs/train/history.csv"))
    test = read_predictions(Path("outputs/predictions.csv")).of("test")
    tables = {
        "learning_curves": history,
        "roc": curves.roc(test),
        "precision_recall": curves.precision_recall(test),
        "confusion": curves.confusion(test),
        "calibration": curves.calibration(test, params.evaluate.bins),
        "per_class": curves.class_table(test),
    }
    for name, table in tables.items():
        curves.write_table(PLOTS / f"{name}.csv", table)
    draw_overview(PLOTS / "overview.png", test, tables)
    chosen = worst_mistakes(test, params.evaluate.mistakes)
    names = {test.names[index] for index in chosen}
    rows = read_rows("data/images.parquet", ["name", "bytes"])
    pictures = {row["name"]: thumbnail(row["bytes"]) for row in rows if row["name"] in names}
    draw_mistakes(PLOTS / "mistakes.png", test, chosen, pictures)
    draw_gradcam(PLOTS / "gradcam.png", read_explained(Path("outputs/explain")))


if __name__ == "__main__":
    run(main)
