"""Draw what came of training and evaluation; cheap, and the plots that Git shows."""

import json
from pathlib import Path

import pandas as pd

from thaw.data.images import read_rows
from thaw.evaluate.gallery import draw_gradcam, draw_mistakes, thumbnail, worst_mistakes
from thaw.evaluate.gradcam import read_explained
from thaw.evaluate.plots import draw_overview
from thaw.evaluate.predictions import read_predictions
from thaw.evaluate.tables import learning_curves, read_tables, write_table
from thaw.params import Declared
from thaw.stage import run

PLOTS = Path("plots")


def main(params: Declared) -> None:
    """Write the tables and pictures of plots/ that come of a result."""
    measures = json.loads(Path("metrics/eval.json").read_text(encoding="utf-8"))
    tables = read_tables(Path("outputs/tables"))
    tables["learning_curves"] = learning_curves(pd.read_csv("outputs/train/history.csv"))
    for name, table in tables.items():
        write_table(PLOTS / f"{name}.csv", table)
    test = read_predictions(Path("outputs/predictions.csv")).of("test")
    draw_overview(PLOTS / "overview.png", measures, test, tables)
    chosen = worst_mistakes(test, params.evaluate.mistakes)
    names = {test.names[index] for index in chosen}
    rows = read_rows("data/images.parquet", ["name", "bytes"])
    pictures = {row["name"]: thumbnail(row["bytes"]) for row in rows if row["name"] in names}
    draw_mistakes(PLOTS / "mistakes.png", test, chosen, pictures)
    draw_gradcam(PLOTS / "gradcam.png", read_explained(Path("outputs/explain")))


if __name__ == "__main__":
    run(main)
