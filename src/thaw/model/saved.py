"""The trained classifier in Keras, from the files of the stage `train`."""

from pathlib import Path

import keras

from thaw.features.fingerprint import check_fingerprint
from thaw.features.head import DenseHead
from thaw.files import read_json
from thaw.model.base import load_base
from thaw.model.freeze import backbone_info, freeze
from thaw.model.keras_head import head_like
from thaw.model.network import build_classifier
from thaw.model.weights import read_weights
from thaw.params import Params


def build_trained(
    params: Params, best: Path, weights: Path, temperature: float = 1.0
) -> keras.Model:
    """The classifier that the files of the stage `train` describe; see `read_trained`.

    temperature: that of the bundle, so that the probabilities are the same.
    """
    base, trained = read_trained(params, best, weights)
    head = head_like(trained.divided(temperature), params.train.dropout)
    return build_classifier(base, params.base.name, params.train.pooling, head)


def read_trained(params: Params, best: Path, weights: Path) -> tuple[keras.Model, DenseHead]:
    """Base and head, from the files of the stage `train`: best.json, and the weights.

    Raises ThawError if `params` are of another training.
    """
    keras.utils.set_random_seed(params.seed)
    base = load_base(params.base)
    expected = {"weights": backbone_info(base).weights, "pooling": params.train.pooling}
    result = read_json(best, ["features", "freeze_till"])
    check_fingerprint(expected, result["features"], str(best))
    trained, of_base = read_weights(weights)
    for weight in base.weights if of_base else ():
        weight.assign(of_base[weight.path])
    freeze(base, result["freeze_till"])
    return base, trained
