"""The table of backbones, without Keras.

To add a backbone, add a row: the name of a function of `keras.applications`, the preprocessing
that its ImageNet weights expect, and its number of layers.
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
    layers: number of layers, with the input layer and without the classifier; see `count_layers`.
    smallest_image_size: width and height, pixels.
    has_alpha: whether the network has a width multiplier.
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
    "EfficientNetB0": Backbone("inside", layers=238),
    "EfficientNetV2B0": Backbone("inside", layers=270),
    "Xception": Backbone("scale", layers=132, smallest_image_size=71),
    "InceptionV3": Backbone("scale", layers=311, smallest_image_size=75),
    "NASNetMobile": Backbone("scale", layers=769),
    # At smaller sizes the last feature map is 1 x 1, and tf2onnx converts it wrongly.
    "ConvNeXtTiny": Backbone("inside", layers=133, smallest_image_size=64),
}


def count_layers(name: str, alpha: float | None) -> int:
    """Number of layers of a backbone with width multiplier `alpha`, at any image size."""
    narrow = _narrow_residuals(alpha) if name == "MobileNetV2" and alpha is not None else 0
    return BACKBONES[name].layers + narrow


def _narrow_residuals(alpha: float) -> int:
    """Number of residual connections, each a layer, that only a narrow MobileNetV2 has.

    Keras adds one where a block of stride 1 has as many channels as the block before it. Widths
    are rounded to multiples of 8, so a small alpha makes some widths equal that differ at alpha 1.
    """
    initial = _round_width(32 * alpha)
    first, sixth, tenth, fifteenth, last = (
        _round_width(int(width * alpha)) for width in (16, 64, 96, 160, 320)
    )
    return (initial == first) + (sixth == tenth) + (fifteenth == last)


def _round_width(width: float) -> int:
    """Round to a multiple of 8, at most 10 % below `width` (as in Keras' MobileNetV2)."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
