"""Evaluate the bundle on images that it was not trained on."""

import gc

gc.disable()  # until `run`: what the imports create stays

import logging

import numpy as np

from thaw.bundle import bundle_sha256, check_unseen
from thaw.data.tables import read_rows, read_split
from thaw.errors import ThawError
from thaw.evaluate.curves import tables
from thaw.evaluate.decision_metrics import decision_metrics
from thaw.evaluate.litert import litert_metrics
from thaw.evaluate.metrics import HEADLINE, calibration_report, evaluate
from thaw.evaluate.predictions import predict, write_predictions
from thaw.evaluate.tables import write_tables
from thaw.evaluate.unknown_metrics import unknown_metrics
from thaw.files import write_json
from thaw.litert import open_litert
from thaw.parallel import cores
from thaw.params import Params
from thaw.paths import (
    BUNDLE,
    BUNDLE_METRICS,
    DETAILS,
    EVAL_METRICS,
    IMAGES,
    LITERT,
    PREDICTIONS,
    SPLIT,
    TABLES,
)
from thaw.serving.predictor import Predictor
from thaw.stage import run

log = logging.getLogger("thaw")


def main(params: Params) -> None:
    """Write metrics/eval.json and, into outputs, predictions.csv, tables and two more of metrics.

    bundle_metrics.json has the headline with the hash of the bundle, so that it can go with it.
    """
    predictor = Predictor(BUNDLE, cores())
    split = read_split(SPLIT, IMAGES).set_index("name")["split"].to_dict()
    images = read_rows(IMAGES, ["name", "sha256"])
    check_unseen(BUNDLE, (row["sha256"] for row in images if split[row["name"]] == "test"))
    rows = read_rows(IMAGES, ["name", "label", "bytes"])
    predictions = predict(predictor, rows, split)
    write_predictions(PREDICTIONS, predictions)
    val, test, bins = predictions.subset("val"), predictions.subset("test"), params.evaluate.bins
    manifest, rule = predictor.manifest, predictor.rule
    temperature = manifest.get("temperature", 1.0)
    write_tables(TABLES, tables(test, bins, temperature, rule))
    metrics = dict(evaluate(val, test, bins))
    metrics |= {key: manifest[key] for key in ("freeze_till", "trainable_parameters")}
    metrics["threshold"] = rule.threshold
    metrics["calibration"] = dict(calibration_report(test, temperature, bins))
    metrics["decision"] = dict(decision_metrics(rule, test))
    if test.unknown_scores is not None:
        others = scores_of_others(predictor, params.data.unknown) if params.data.unknown else None
        found = unknown_metrics(test.unknown_scores, predictor.unknown_limit, others)
        metrics["unknown"] = dict(found)
    if (device := open_litert(LITERT)) is not None:
        rows = read_rows(IMAGES, ["name", "bytes"], set(test.names))
        decoded = (predictor.decode(row["bytes"]) for row in rows)
        metrics["litert"] = dict(litert_metrics(device, decoded, test, rule))
    headline = {key: metrics.pop(key) for key in HEADLINE}
    write_json(EVAL_METRICS, headline)
    write_json(BUNDLE_METRICS, {"bundle": bundle_sha256(manifest), "metrics": headline})
    write_json(DETAILS, metrics)


def scores_of_others(predictor: Predictor, source: str) -> np.ndarray:
    """Unknown scores, float32 (M,), of the images of `data.unknown` that can be decoded."""
    # Imported here because it loads the sample and what compares images.
    from thaw.data.source import read_unknown

    encoded = (data for _, data in read_unknown(source))
    found = list(predictor.predict_each(encoded))
    answers = [answer for answer in found if not isinstance(answer, ThawError)]
    if not answers:
        raise ThawError(f"data.unknown must have images that can be decoded, but {source} has none")
    if unusable := len(found) - len(answers):
        log.warning("%d images of %s cannot be decoded and are left out", unusable, source)
    return np.array([answer.unknown_score for answer in answers])


if __name__ == "__main__":
    run("evaluate", main)
