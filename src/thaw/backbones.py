"""The table of backbones, free of Keras.

Adding a backbone is adding a row: a function of `keras.applications` by its name, the
preprocessing that its ImageNet weights expect, and its number of layers.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Backbone:
    """A row of the table.

    preprocessing: what the ImageNet weights expect of RGB 0–255:
        "scale"  x / 127.5 - 1
        "caffe"  BGR, minus the ImageNet mean
        "torch"  RGB in 0–1, standardised by the ImageNet mean and deviation
        "inside" nothing, the network does it itself
    layers: of the network without its classifier, with the input layer; see `count_layers`.
    smallest_image_size: pixels a side.
    has_alpha: whether it takes a width multiplier.
    """

    preprocessing: Literal["scale", "caffe", "torch", "inside"]
    layers: int
    smallest_image_size: int = 32
    has_alpha: bool = False


BACKBONES: dict[str, Backbone] = {
    "VGG16": Backbone("caffe", layers=19),
    "VGG19": Backbone("caffe", layers=22),
    "MobileNet": Backbone("scale", layers=86, has_alpha=True),
    "MobileNetV2": Backbone("scale", layers=154, has_alpha=True),  # more when it is narrow
    "ResNet50": Backbone("caffe", layers=175),
    "ResNet50V2": Backbone("scale", layers=190),
    "DenseNet121": Backbone("torch", layers=427),
    "EfficientNetB0": Backbone("inside", layers=237),
    "EfficientNetV2B0": Backbone("inside", layers=270),
    "Xception": Backbone("scale", layers=132, smallest_image_size=71),
    "InceptionV3": Backbone("scale", layers=311, smallest_image_size=75),
    "NASNetMobile": Backbone("scale", layers=769),
    # Smaller, its last feature map would be one point, and what tf2onnx makes of it wrong.
    "ConvNeXtTiny": Backbone("inside", layers=133, smallest_image_size=64),
}


def count_layers(name: str, alpha: float | None) -> int:
    """The number of layers of a row at the width multiplier `alpha`, at any image size."""
    narrow = _narrow_residuals(alpha) if name == "MobileNetV2" and alpha is not None else 0
    return BACKBONES[name].layers + narrow


def _narrow_residuals(alpha: float) -> int:
    """How many residual connections, each a layer, Keras adds to a narrow MobileNetV2.

    It adds one where a block of stride 1 has as many channels as the block before it. Widths are
    rounded to multiples of 8, so at a small alpha that is so for blocks that differ at alpha 1.
    """
    stem = _round_width(32 * alpha)
    first, sixth, tenth, fifteenth, last = (
        _round_width(int(width * alpha)) for width in (16, 64, 96, 160, 320)
    )
    return (stem == first) + (sixth == tenth) + (fifteenth == last)


def _round_width(width: float) -> int:
    """To a multiple of 8, at most a tenth below `width` (Sandler et al. 2018, as in Keras)."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
