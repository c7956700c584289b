"""Evaluate the bundle on images that it was not trained on."""

from thaw.data.tables import read_rows, read_split
from thaw.evaluate.curves import tables
from thaw.evaluate.metrics import evaluate
from thaw.evaluate.predictions import predict, write_predictions
from thaw.evaluate.tables import write_tables
from thaw.files import write_json
from thaw.params import Params
from thaw.paths import BUNDLE, EVAL_METRICS, IMAGES, PREDICTIONS, SPLIT, TABLES
from thaw.serving.predictor import Predictor
from thaw.stage import run


def main(params: Params) -> None:
    """Write outputs/predictions.csv, outputs/tables and metrics/eval.json."""
    predictor = Predictor(BUNDLE)
    split = read_split(SPLIT).set_index("name")["split"].to_dict()
    rows = read_rows(IMAGES, ["name", "label", "bytes"])
    predictions = predict(predictor, rows, split)
    write_predictions(PREDICTIONS, predictions)
    val, test, bins = predictions.subset("val"), predictions.subset("test"), params.evaluate.bins
    write_tables(TABLES, tables(test, bins))
    metrics = dict(evaluate(val, test, bins))
    for key in ("freeze_till", "trainable_parameters"):
        metrics[key] = predictor.manifest[key]
    write_json(EVAL_METRICS, metrics)


if __name__ == "__main__":
    run("evaluate", main)
