"""Load the base: a network of `keras.applications`, its preprocessing and its weights."""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from thaw.backbones import BACKBONES
from thaw.errors import ThawError
from thaw.files import check_sha256, sha256_of
from thaw.params import Base

SAMPLE_WEIGHTS = Path(__file__).parent.parent / "sample" / "base.weights.h5"
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in 0–1, as in torchvision
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR in 0–255, Simonyan & Zisserman 2015


def preprocess(images: keras.KerasTensor, how: str) -> keras.KerasTensor:
    """RGB (N, S, S, 3), 0–255, any dtype → float32 as the weights expect it; see `Backbone`."""
    x = keras.ops.cast(images, "float32")
    if how == "scale":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    if how == "torch":
        scale = [1 / (255 * deviation) for deviation in IMAGENET_STD]
        offset = [-m / d for m, d in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
        return keras.layers.Rescaling(scale, offset=offset)(x)
    if how == "caffe":
        return keras.layers.Rescaling(1.0, offset=[-m for m in CAFFE_MEAN])(x[..., ::-1])
    return x


def load_base(settings: Base) -> keras.Model:
    """Load the base: float32 (N, S, S, 3), preprocessed → feature map (N, h, w, K).

    `base.weights: none` draws random weights from Keras' global seed. Raises ThawError if the
    weights cannot be loaded, do not fit, or differ from `base.sha256`.
    """
    row = BACKBONES[settings.name]
    shape = (settings.image_size, settings.image_size, 3)
    options = {"alpha": settings.alpha} if row.has_alpha else {}
    build = getattr(keras.applications, settings.name)
    if settings.weights == "imagenet":
        try:
            return build(weights="imagenet", include_top=False, input_shape=shape, **options)
        except Exception as error:  # a bare Exception from Keras, others from urllib and h5py
            raise ThawError(_download_failed(settings.name, error)) from None
    base = build(weights=None, include_top=False, input_shape=shape, **options)
    if settings.name == "EfficientNetB0":
        base = _as_for_imagenet(base)
    if settings.weights == "sample":
        load_weights(base, SAMPLE_WEIGHTS)
    elif (path := settings.weights_file()) is not None:
        if settings.sha256 is not None:
            check_sha256("base.sha256", path, sha256_of(path), settings.sha256)
        load_weights(base, path)
    return base


def _as_for_imagenet(base: keras.Model) -> keras.Model:
    """EfficientNetB0 with the layer that Keras adds only for `weights="imagenet"`.

    Those weights need it after the Normalization, so also if they come from a file; and the base
    has as many layers with any weights.
    """

    def call(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        outputs = layer(*inputs, **options)
        if isinstance(layer, keras.layers.Normalization):
            return keras.layers.Rescaling([1 / d**0.5 for d in IMAGENET_STD])(outputs)
        return outputs

    return keras.models.clone_model(base, call_function=call)


def _download_failed(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())
    return (
        f"{name} cannot load ImageNet weights: {reason}: check the network; if a download is "
        "damaged, delete it from the folder models in KERAS_HOME (~/.keras); or download the "
        "file yourself and set base.weights to its path"
    )


def load_weights(base: keras.Model, path: Path) -> None:
    """Load a Keras weights file into `base`. Raises ThawError if it is damaged or does not fit."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns once per layer before it raises
            base.load_weights(path)
        _check_finite(base.weights)
    except Exception as error:  # h5py raises many types on damaged files
        raise ThawError(
            f"the weights in {path} do not fit {base.name} at {base.input_shape[1]} pixels "
            f"({len(base.layers)} layers), or are damaged: {textwrap.shorten(str(error), 400)}: "
            "set base.name, base.alpha and base.image_size to those of the file, or get it again"
        ) from None


def _check_finite(weights: Sequence[keras.Variable]) -> None:
    for weight in weights:
        if not np.isfinite(weight.numpy()).all():
            raise ValueError(f"{weight.path} must be finite, but has a NaN or an infinity")
