"""Score the bundle on pictures it was not trained on."""

from pathlib import Path

from thaw.data.images import read_rows
from thaw.data.split import read_split
from thaw.evaluate.curves import tables
from thaw.evaluate.metrics import evaluate
from thaw.evaluate.predictions import predict, write_predictions
from thaw.evaluate.tables import write_tables
from thaw.files import write_json
from thaw.params import Declared
from thaw.serving.predictor import Predictor
from thaw.stage import run


def main(params: Declared) -> None:
    """Write outputs/predictions.csv, outputs/tables and metrics/eval.json."""
    predictor = Predictor("models/bundle")
    split = read_split(Path("data/split.csv")).set_index("name")["split"].to_dict()
    rows = read_rows("data/images.parquet", ["name", "label", "bytes"])
    predictions = predict(predictor, rows, split)
    write_predictions(Path("outputs/predictions.csv"), predictions)
    val, test, bins = predictions.of("val"), predictions.of("test"), params.evaluate.bins
    write_tables(Path("outputs/tables"), tables(test, bins))
    measures = dict(evaluate(val, test, bins))
    for fact in ("freeze_till", "trainable_parameters"):
        measures[fact] = predictor.manifest[fact]
    write_json("metrics/eval.json", measures)


if __name__ == "__main__":
    run(main)
