"""Train head and tail on cached activations; the best epoch by validation loss is saved."""

import gc

gc.disable()  # what the imports create stays (benchmarks/tricks.py, "imports out of collection")

import logging
import shutil

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras
    import tensorflow as tf

from thaw.data.tables import read_classes
from thaw.features.stored import Features, check_fingerprint
from thaw.model.fuse_bn import fuse_bn
from thaw.model.network import SplitBackbone, build_classifier, build_head, split_backbone
from thaw.model.saved import save_model
from thaw.model.to_onnx import write_onnx
from thaw.model.train import plan_phases, solve_head, train, write_result
from thaw.params import Params
from thaw.paths import CLASSIFIER, EMBEDDINGS, FEATURES, IMAGES, MODEL, TRAIN
from thaw.stage import checkpoint_dir, run


def main(params: Params) -> None:
    """Write models/model.keras, models/classifier.onnx and outputs/train.

    The ONNX export is part of this stage because loading TensorFlow and the model again would
    take longer than training a head.
    """
    gc.freeze()
    gc.enable()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    settings, compute = params.train, params.compute
    parts = split_backbone(params.base, settings.freeze_till, settings.pooling)
    features = open_features(params, parts)
    classes = read_classes(IMAGES)
    head = build_head(parts.embedding_size, settings.hidden_units, settings.dropout, len(classes))
    model = build_classifier(parts.base, params.base.name, settings.pooling, head)
    phases = plan_phases(parts, head, features, classes, settings)
    state = {"seed": params.seed, "features": features.fingerprint}
    state |= {"train": settings.model_dump(), "compute": compute.model_dump()}
    checkpoint = checkpoint_dir("train", state)
    if settings.head_solver == "lbfgs":
        solve_head(phases, features, classes, checkpoint)
    progress = train(phases, settings, params.seed, checkpoint)
    save_model(model, MODEL)
    # Fused, because TensorFlow folds BatchNorm into constants with an approximate square root.
    fused = build_classifier(fuse_bn(parts.base), params.base.name, settings.pooling, head)
    write_onnx(CLASSIFIER, fused, settings.pooling)
    write_result(TRAIN, progress, parts, model, features.fingerprint)
    shutil.rmtree(checkpoint)


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
