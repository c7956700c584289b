"""Make the bundle of the trained classifier: what is evaluated, explained and served."""

import json
from pathlib import Path

from thaw.bundle import write_bundle
from thaw.data.images import read_classes
from thaw.frozen.features import check_fingerprint
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write models/bundle."""
    best = json.loads(Path("outputs/train/best.json").read_text(encoding="utf-8"))
    features = json.loads(Path("data/features/fingerprint.json").read_text(encoding="utf-8"))
    check_fingerprint(best["features"], features, "data/features")
    write_bundle(
        Path("models/bundle"),
        Path("models/classifier.onnx"),
        read_classes("data/images.parquet"),
        params.export.mirror,
        {
            "base": params.base.name,
            "image_size": features["image_size"],
            "precision": params.compute.precision,
            "freeze_till": best["freeze_till"],
            "trainable_parameters": best["trainable_parameters"],
        },
    )


if __name__ == "__main__":
    run(main)
