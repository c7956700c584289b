"""The table of backbones, each with its own preprocessing and weights.

Adding a backbone is adding a row: the function of `keras.applications` that builds it and the
preprocessing it was trained with.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Any

import keras

from thaw.errors import ThawError

SAMPLE_WEIGHTS = Path(__file__).parent.parent / "sample" / "base.weights.h5"
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in 0–1, as of torchvision
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR in 0–255, Simonyan & Zisserman 2015


@dataclass(frozen=True)
class Backbone:
    """A row of the table.

    preprocessing: what its ImageNet weights expect of RGB 0–255:
        "scale"  x / 127.5 - 1
        "caffe"  BGR, minus the ImageNet mean
        "torch"  RGB in 0–1, standardised by the ImageNet mean and deviation
        "inside" nothing, the network does it itself
    has_alpha: whether it takes a width multiplier.
    """

    build: str
    preprocessing: str
    smallest: int = 32  # pixels a side
    has_alpha: bool = False


BACKBONES = {
    "VGG16": Backbone("VGG16", "caffe"),
    "VGG19": Backbone("VGG19", "caffe"),
    "MobileNet": Backbone("MobileNet", "scale", has_alpha=True),
    "MobileNetV2": Backbone("MobileNetV2", "scale", has_alpha=True),
    "ResNet50": Backbone("ResNet50", "caffe"),
    "ResNet50V2": Backbone("ResNet50V2", "scale"),
    "DenseNet121": Backbone("DenseNet121", "torch"),
    "EfficientNetB0": Backbone("EfficientNetB0", "inside"),
    "EfficientNetV2B0": Backbone("EfficientNetV2B0", "inside"),
    "Xception": Backbone("Xception", "scale", smallest=71),
    "InceptionV3": Backbone("InceptionV3", "scale", smallest=75),
    "NASNetMobile": Backbone("NASNetMobile", "scale"),
    # Smaller, its last feature map would be one point, and what tf2onnx makes of it wrong.
    "ConvNeXtTiny": Backbone("ConvNeXtTiny", "inside", smallest=64),
}


def preprocess(pictures: keras.KerasTensor, how: str) -> keras.KerasTensor:
    """RGB 0–255 of any dtype, (N, S, S, 3) → float32 as a backbone's weights expect it."""
    x = keras.ops.cast(pictures, "float32")
    if how == "scale":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    if how == "torch":
        scale = [1 / (255 * deviation) for deviation in IMAGENET_STD]
        offset = [-m / d for m, d in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
        return keras.layers.Rescaling(scale, offset=offset)(x)
    if how == "caffe":
        return keras.layers.Rescaling(1.0, offset=[-m for m in CAFFE_MEAN])(x[..., ::-1])
    return x


def build(name: str, weights: str, image_size: int, alpha: float | None = None) -> keras.Model:
    """The network `name` without its classifier: float32 (N, S, S, 3) → feature map (N, h, w, K).

    weights: "none" (random), "sample" (the small base of the offline sample), "imagenet"
    (downloaded by Keras) or a weights file. Raises ThawError when the name is not in the table,
    an option does not fit it, or the weights cannot be had or do not fit.
    """
    if name not in BACKBONES:
        raise ThawError(f"base.name must be one of {', '.join(BACKBONES)}, but is {name!r}")
    row = BACKBONES[name]
    if image_size < row.smallest:
        raise ThawError(f"{name} needs base.image_size of {row.smallest} or more, not {image_size}")
    if (alpha is not None) != row.has_alpha:
        rule = "needs a width multiplier, such as 1.0" if row.has_alpha else "has no width to set"
        raise ThawError(f"{name} {rule}, but base.alpha is {alpha}: change it in params.yaml")
    options = {"include_top": False, "input_shape": (image_size, image_size, 3)}
    if row.has_alpha:
        options["alpha"] = alpha
    function = getattr(keras.applications, row.build)
    if weights == "imagenet":
        return _download(function, name, options)
    base = function(weights=None, **options)
    if weights != "none":
        load_weights(base, SAMPLE_WEIGHTS if weights == "sample" else Path(weights))
    return base


def load_weights(base: keras.Model, path: Path) -> None:
    """Load a Keras weights file into `base`; raises ThawError that names what does not fit."""
    if not path.is_file():
        raise ThawError(f"base.weights must be sample, imagenet, none or a file, but is {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # thousands, before the error that matters
            base.load_weights(path)
    except (ValueError, OSError, KeyError) as problem:
        reason = " ".join(str(problem).split())
        raise ThawError(
            f"the weights in {path} do not fit {base.name} at {base.input_shape[1]} pixels "
            f"({len(base.layers)} layers): {reason}: set base.name, base.alpha and "
            "base.image_size to what the file was made with"
        ) from None


def _download(
    function: Callable[..., keras.Model], name: str, options: dict[str, object]
) -> keras.Model:
    try:
        return function(weights="imagenet", **options)
    except Exception as problem:  # a bare Exception from Keras, others from urllib and h5py
        seen: dict[str, Any] = {}  # only Keras knows which file it wants, and in which folder
        for frame, _ in walk_tb(problem.__traceback__):
            seen |= frame.f_locals
        reason = " ".join(str(problem).split())
        if "download_target" in seen:
            url, path = seen["origin"], seen["download_target"]
            reason = reason.removeprefix(f"URL fetch failure on {url}: ")
            reason += f": put the file of {url} at {path}, or set base.weights to its path"
        elif "weights_path" in seen:
            reason += f": replace or delete {seen['weights_path']}"
        raise ThawError(f"{name} cannot load ImageNet weights: {reason}") from None
