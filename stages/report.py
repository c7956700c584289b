"""Draw the plots of training and evaluation."""

import gc

gc.disable()  # until `run`: what the imports create stays

from thaw.data.tables import read_rows
from thaw.evaluate.gallery import PIXELS, draw_gradcam, draw_mistakes
from thaw.evaluate.gradcam import read_explained
from thaw.evaluate.mistakes import worst_mistakes
from thaw.evaluate.plots import HEADLINE, draw_overview
from thaw.evaluate.predictions import read_predictions
from thaw.evaluate.tables import read_learning_curves, read_tables, write_table
from thaw.files import read_json, write_json
from thaw.images import thumbnail
from thaw.params import Params
from thaw.paths import (
    CROSSVAL,
    CROSSVAL_METRICS,
    DETAILS,
    EVAL_METRICS,
    EXPLAIN,
    FULL_CROSSVAL,
    IMAGES,
    INGEST_SUMMARY,
    METRICS,
    PLOTS,
    PREDICTIONS,
    TABLES,
    TRAIN,
)
from thaw.stage import run


def main(params: Params) -> None:
    """Write the tables and images in plots/, and the metrics that are not headlines."""
    metrics = read_json(EVAL_METRICS, HEADLINE)
    for source in (INGEST_SUMMARY, DETAILS):  # cached outs; these copies are for Git
        write_json(METRICS / source.name, read_json(source))
    full = read_json(FULL_CROSSVAL, ["n"])
    write_json(CROSSVAL_METRICS, full if full["n"] else read_json(CROSSVAL))
    tables = read_tables(TABLES)
    tables["learning_curves"] = read_learning_curves(TRAIN / "history.csv")
    for name, table in tables.items():
        write_table(PLOTS / f"{name}.csv", table)
    test = read_predictions(PREDICTIONS).subset("test")
    draw_overview(PLOTS / "overview.png", metrics, test, tables)
    chosen = worst_mistakes(test, params.evaluate.mistakes)
    rows = read_rows(IMAGES, ["name", "bytes"], {test.names[index] for index in chosen})
    images = {row["name"]: thumbnail(row["bytes"], PIXELS) for row in rows}
    draw_mistakes(PLOTS / "mistakes.png", test, chosen, images)
    draw_gradcam(PLOTS / "gradcam.png", read_explained(EXPLAIN))


if __name__ == "__main__":
    run("report", main)
