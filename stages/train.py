"""Train head and tail on the cached activations; keep the epoch that is best on validation."""

import shutil
from pathlib import Path

from thaw.data.images import read_classes
from thaw.frozen.features import Features, check_fingerprint, fingerprint
from thaw.model.export import write_onnx
from thaw.model.network import build_head, put_together, take_apart
from thaw.model.saved import save_model
from thaw.model.training import train, write_result
from thaw.params import Declared
from thaw.stage import run, unfinished


def main(params: Declared) -> None:
    """Write models/model.keras, models/classifier.onnx and outputs/train.

    ONNX is written here, while TensorFlow and the network are at hand: starting them again would
    take longer than it takes to train a head.
    """
    settings, compute = params.train, params.compute
    parts = take_apart(params.base, settings.freeze_till, settings.pooling, params.seed)
    features = Features.open(Path("data/features"))
    made_with = fingerprint(
        parts.facts, parts.cut, settings.pooling, compute.precision, compute.cache
    )
    check_fingerprint(made_with, features.fingerprint, "data/features")
    classes = read_classes("data/images.parquet")
    head = build_head(parts.width, settings.dense, settings.dropout, len(classes))
    model = put_together(parts.base, params.base.name, settings.pooling, head)
    kept = unfinished({"features": features.fingerprint, "train": params.read()})
    progress = train(parts, head, features, classes, settings, params.seed, kept)
    save_model(model, Path("models/model.keras"))
    write_onnx(Path("models/classifier.onnx"), model, settings.pooling)
    write_result(Path("outputs/train"), progress, parts, model, features.fingerprint)
    shutil.rmtree(kept)


if __name__ == "__main__":
    run(main)
