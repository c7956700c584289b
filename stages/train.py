"""Train head and tail on cached activations; the best epoch by validation loss is saved."""

import gc

gc.disable()  # until `run`: what the imports create stays

import logging
import shutil
from typing import Any

import numpy as np
import pandas as pd

from thaw.data.tables import read_classes
from thaw.experiments.out_of_fold import write_nothing, write_out_of_fold
from thaw.features.backbone_info import BackboneInfo
from thaw.features.fingerprint import check_fingerprint
from thaw.features.stored import ChosenRows, Features
from thaw.files import atomic_write, write_json
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.head_phase import HeadPhase, Trained, Trainer
from thaw.model.weights import write_weights
from thaw.params import WEIGHT_KINDS, Params
from thaw.paths import (
    BASE,
    BASE_ONNX,
    CLASSIFIER,
    EMBEDDINGS,
    FEATURES,
    FULL_CROSSVAL,
    FULL_OUT_OF_FOLD,
    IMAGES,
    TRAIN,
    WEIGHTS,
)
from thaw.stage import checkpoint_dir, leave, run


def main(params: Params) -> None:
    """Write models/weights.safetensors, models/classifier.onnx, outputs/train, cross-validation.

    The ONNX export is part of this stage because loading TensorFlow and the network again would
    take longer than training a head.
    """
    classes, info = read_classes(IMAGES), BackboneInfo.open(BASE)
    features = open_features(params, info)
    state = {"seed": params.seed, "features": features.fingerprint, "classes": classes}
    state |= {"train": params.train.model_dump(), "compute": params.compute.model_dump()}
    checkpoint = checkpoint_dir("train", state)
    head_phase = HeadPhase(features, classes, params.train, params.seed, checkpoint, BASE_ONNX)
    trainer = trainer_of(head_phase, params, info)
    split = features.rows["split"]
    trained = trainer.run((np.flatnonzero(split == "train"), np.flatnonzero(split == "val")))
    write_weights(WEIGHTS, trained)
    with atomic_write(CLASSIFIER) as temporary:
        base = trained.base_onnx()
        temporary.write_bytes(classifier_onnx(base, trained.head, params.train.pooling))
    write_result(trained, info, params, features, classes)
    cross_validate(params, trainer, features, classes)
    shutil.rmtree(checkpoint)


def trainer_of(head_phase: HeadPhase, params: Params, info: BackboneInfo) -> Trainer:
    """What trains all that is not frozen."""
    if info.cut(params.train.freeze_till) == info.layers:
        return head_phase
    # Imported here because a head alone is trained in less time than TensorFlow takes to load.
    from thaw.tensorflow_log import quiet_import

    with quiet_import():
        from thaw.model.train import FineTuning

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    return FineTuning(head_phase, params.base)


def open_features(params: Params, info: BackboneInfo) -> Features:
    """Embeddings and activations, checked to be those of this base, cut as it is."""
    features, compute = Features.open(EMBEDDINGS, FEATURES), params.compute
    expected = info.fingerprint(
        params.base.resize,
        compute.precision,
        compute.cache_dtype,
        pooling=params.train.pooling,
        cut=info.cut(params.train.freeze_till),
    )
    check_fingerprint(expected, features.fingerprint, f"{EMBEDDINGS} and {FEATURES}")
    return features


def write_result(
    trained: Trained, info: BackboneInfo, params: Params, features: Features, classes: list[str]
) -> None:
    """Write history.csv, one row per epoch, best.json about the best epoch, and val.csv.

    If the tail was trained also embeddings.npy: those of all images, that is of the rows with view
    0, in their order, by the network that was trained.
    """
    progress, rows, freeze_till = trained.progress, features.rows, params.train.freeze_till
    with atomic_write(TRAIN) as temporary:
        temporary.mkdir()
        pd.DataFrame(progress.history).to_csv(temporary / "history.csv", index=False)
        best = progress.history[progress.best_epoch - 1] | {
            "cut": info.cut(freeze_till),
            "freeze_till": info.frozen_layers(freeze_till),
            "trainable_parameters": trained.trainable_parameters,
            "features": features.fingerprint,
            "training": training(params),
        }
        write_json(temporary / "best.json", best)
        images = np.flatnonzero(rows["view"] == 0)
        embeddings = trained.embed(images)
        if features.activations is not None:
            np.save(temporary / "embeddings.npy", embeddings)
        is_val = (rows["split"].iloc[images] == "val").to_numpy()
        probabilities = trained.head.probabilities(embeddings[is_val])
        write_out_of_fold(temporary / "val.csv", rows.iloc[images[is_val]], probabilities, classes)


def training(params: Params) -> dict[str, Any]:
    """How the classifier is trained; the bundle says it. No path: it may be of this machine."""
    weights = params.base.weights if params.base.weights in WEIGHT_KINDS else "file"
    of_base = {"alpha": params.base.alpha, "weights": weights}
    return {"seed": params.seed, **of_base, **params.train.model_dump()}


def cross_validate(
    params: Params, trainer: Trainer, features: Features, classes: list[str]
) -> None:
    """Train without each fold in turn, if crossval.full, and write what that predicts of it."""
    if not params.crossval.full:
        write_nothing(FULL_OUT_OF_FOLD, FULL_CROSSVAL, classes)
        return
    # Imported here because loading scikit-learn takes about as long as training a head.
    from thaw.experiments.cross_validation import Predict, cross_validate_training, write_results

    def train_without(fold: int, chosen: ChosenRows) -> Predict:
        return trainer.run(chosen, f"fold-{fold}").predict

    probabilities = cross_validate_training(features.rows, len(classes), train_without)
    images = features.rows[features.rows["view"] == 0]
    training = {"training": "full", "head_solver": params.train.head_solver}
    write_results(FULL_OUT_OF_FOLD, FULL_CROSSVAL, images, probabilities, classes, training)


if __name__ == "__main__":
    run("train", main)
    leave()
