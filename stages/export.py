"""Write the bundle: the classifier that is evaluated, explained and served."""

import gc

gc.disable()  # until `run`: what the imports create stays

import logging
from typing import Any

import onnx

from thaw.bundle import write_bundle
from thaw.data.tables import read_classes, read_rows
from thaw.experiments.fit_answers import fit_answers, fit_unknown
from thaw.features.fingerprint import check_fingerprint, read_fingerprint
from thaw.features.rows import read_listing
from thaw.files import damage_explained, read_json
from thaw.litert import write_litert, write_nothing
from thaw.model.temperature import divide_scores
from thaw.model.tta_flip import with_tta_flip
from thaw.model.unknown_onnx import positions, with_unknown_score
from thaw.params import Params
from thaw.paths import BUNDLE, CLASSIFIER, EMBEDDINGS, IMAGES, LITERT, TRAIN, WEIGHTS
from thaw.stage import run


def main(params: Params) -> None:
    """Write models/bundle and models/litert."""
    keys = ("features", "freeze_till", "trainable_parameters", "training", "phase", "epoch")
    best = read_json(TRAIN / "best.json", keys)
    embeddings = read_fingerprint(EMBEDDINGS)
    check_fingerprint(embeddings, best["features"], str(TRAIN / "best.json"))
    classes = read_classes(IMAGES)
    with damage_explained(CLASSIFIER):
        model = CLASSIFIER.read_bytes()
        onnx.checker.check_model(model)
    answers = fit_answers(classes, params.decision, params.export.calibrate)
    flattened = positions(model) if params.train.pooling == "flatten" else 1
    reference, limit = fit_unknown(flattened, params.unknown.refuse)
    model = with_unknown_score(divide_scores(model, answers.temperature), vars(reference))
    if params.export.tta_flip:
        model = with_tta_flip(model)
    manifest = {
        "base": params.base.name,
        "image_size": embeddings["image_size"],
        "resize": embeddings["resize"],
        "max_megapixels": params.data.max_megapixels,
        "precision": params.compute.precision,
        "max_cpu_isa": params.compute.max_cpu_isa,
        "freeze_till": best["freeze_till"],
        "trainable_parameters": best["trainable_parameters"],
        "training": best["training"] | {key: best[key] for key in ("phase", "epoch")},
        "unknown": {"limit": limit, "refuse": params.unknown.refuse},
        **answers.manifest(params.decision),
    }
    seen = set(read_listing(EMBEDDINGS)["name"])
    rows = read_rows(IMAGES, ["name", "sha256"])
    hashes = [row["sha256"] for row in rows if row["name"] in seen]
    write_bundle(BUNDLE, model, classes, manifest, hashes)
    export_litert(params, classes, manifest, vars(reference))


def export_litert(
    params: Params, classes: list[str], manifest: dict[str, Any], reference: dict[str, Any]
) -> None:
    """Write models/litert: the same network in LiteRT, unless export.formats is without."""
    if "litert" not in params.export.formats:
        write_nothing(LITERT)
        return
    # Imported here, because TensorFlow takes longer to load than the rest of this stage.
    from thaw.tensorflow_log import quiet_import

    with quiet_import():
        from thaw.model.litert import Classifier, to_litert
        from thaw.model.saved import read_trained
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    base, head = read_trained(params, TRAIN / "best.json", WEIGHTS)
    settings = (params.base.name, params.train.pooling, head, manifest["temperature"])
    model = to_litert(Classifier(base, *settings, reference), params.export.tta_flip)
    write_litert(LITERT, model, classes, manifest | {"tta_flip": params.export.tta_flip})


if __name__ == "__main__":
    run("export", main)
