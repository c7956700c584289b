"""Export the best model as the bundle that is evaluated, explained and served."""

import json
from pathlib import Path

from thaw.data.images import read_classes
from thaw.frozen.features import check_fingerprint
from thaw.model.export import write_bundle
from thaw.model.saved import load_model
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write models/bundle."""
    best = json.loads(Path("outputs/train/best.json").read_text(encoding="utf-8"))
    features = json.loads(Path("data/features/fingerprint.json").read_text(encoding="utf-8"))
    check_fingerprint(best["features"], features, "data/features")
    write_bundle(
        Path("models/bundle"),
        load_model(Path("models/model.keras")),
        read_classes("data/images.parquet"),
        params.train.pooling,
        params.export,
        {
            "base": params.base.name,
            "precision": params.compute.precision,
            "freeze_till": best["freeze_till"],
            "trainable_parameters": best["trainable_parameters"],
        },
    )


if __name__ == "__main__":
    run(main)
