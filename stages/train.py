"""Train head and tail on cached activations; the best epoch by validation loss is saved."""

import gc

gc.disable()  # what the imports create stays (benchmarks/tricks.py, "imports out of collection")

import logging
import shutil
from functools import partial

import numpy as np

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras
    import tensorflow as tf

from thaw.data.tables import read_classes
from thaw.experiments.cross_validation import (
    Predict,
    cross_validate_training,
    write_nothing,
    write_results,
)
from thaw.features.stored import Features, check_fingerprint
from thaw.model.fuse_bn import fuse_bn
from thaw.model.network import SplitBackbone, build_classifier, build_head, split_backbone
from thaw.model.saved import save_model
from thaw.model.to_onnx import write_onnx
from thaw.model.train import ChosenRows, Trainer, predict, write_result
from thaw.params import Params
from thaw.paths import (
    CLASSIFIER,
    EMBEDDINGS,
    FEATURES,
    FULL_CROSSVAL,
    FULL_OUT_OF_FOLD,
    IMAGES,
    MODEL,
    TRAIN,
)
from thaw.stage import checkpoint_dir, run


def main(params: Params) -> None:
    """Write models/model.keras, models/classifier.onnx, outputs/train, and cross-validation.

    The ONNX export is part of this stage because loading TensorFlow and the model again would
    take longer than training a head.
    """
    gc.freeze()
    gc.enable()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    classes = read_classes(IMAGES)
    parts, head = build(params, len(classes))
    features = open_features(params, parts)
    state = {"seed": params.seed, "features": features.fingerprint}
    state |= {"train": params.train.model_dump(), "compute": params.compute.model_dump()}
    checkpoint = checkpoint_dir("train", state)
    trainer = Trainer(features, classes, params.train, params.seed, checkpoint)
    split = features.rows["split"]
    chosen = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    _, progress = trainer.run(parts, head, chosen)
    model = build_classifier(parts.base, params.base.name, params.train.pooling, head)
    save_model(model, MODEL)
    # Fused, because TensorFlow folds BatchNorm into constants with an approximate square root.
    base = fuse_bn(parts.base)
    fused = build_classifier(base, params.base.name, params.train.pooling, head)
    write_onnx(CLASSIFIER, fused, params.train.pooling)
    write_result(TRAIN, progress, parts, model, features.fingerprint)
    cross_validate(params, trainer)
    shutil.rmtree(checkpoint)


def build(params: Params, classes: int) -> tuple[SplitBackbone, keras.Model]:
    """The split base and an untrained head."""
    settings = params.train
    parts = split_backbone(params.base, settings.freeze_till, settings.pooling)
    return parts, build_head(parts.embedding_size, settings.hidden_units, settings.dropout, classes)


def cross_validate(params: Params, trainer: Trainer) -> None:
    """Train without each fold in turn, if crossval.full, and write what that predicts of it."""
    features, classes = trainer.features, trainer.classes
    if not params.crossval.full:
        write_nothing(FULL_OUT_OF_FOLD, FULL_CROSSVAL, classes)
        return

    def train_without(fold: int, chosen: ChosenRows) -> Predict:
        keras.backend.clear_session()
        keras.utils.set_random_seed(params.seed)
        phase, _ = trainer.run(*build(params, len(classes)), chosen, f"fold-{fold}")
        return partial(predict, phase, size=params.train.batch_size)

    probabilities = cross_validate_training(features.rows, len(classes), train_without)
    images = features.rows[features.rows["view"] == 0]
    training = {"training": "full", "head_solver": params.train.head_solver}
    write_results(FULL_OUT_OF_FOLD, FULL_CROSSVAL, images, probabilities, classes, training)


def open_features(params: Params, parts: SplitBackbone) -> Features:
    """Embeddings and activations, checked to be those of this base, cut as it is."""
    features, compute = Features.open(EMBEDDINGS, FEATURES), params.compute
    expected = parts.info.fingerprint(
        params.base.resize,
        compute.precision,
        compute.cache_dtype,
        pooling=params.train.pooling,
        cut=parts.cut,
    )
    check_fingerprint(expected, features.fingerprint, f"{EMBEDDINGS} and {FEATURES}")
    return features


if __name__ == "__main__":
    run("train", main)
