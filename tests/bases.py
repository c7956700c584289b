"""Settings of bases with random weights."""

import keras
from keras.src.utils import file_utils

from thaw.backbones import BACKBONES
from thaw.model.base import load_base
from thaw.model.network import SplitBackbone, split_backbone
from thaw.params import Base

MOBILENET = Base(
    name="MobileNetV2", alpha=0.35, weights="none", sha256=None, image_size=32, resize="squash"
)


def smallest(name: str) -> Base:
    """A row of the table of backbones, as small as it may be."""
    row = BACKBONES[name]
    alpha = 0.35 if name == "MobileNetV2" else 0.25 if row.has_alpha else None
    size = row.smallest_image_size
    changes = {"name": name, "alpha": alpha, "image_size": size}
    return Base(**(MOBILENET.model_dump() | changes))


def seeded_base(settings: Base, seed: int) -> keras.Model:
    """The base whose random weights come from `seed`."""
    keras.utils.set_random_seed(seed)
    return load_base(settings)


def seeded_split(settings: Base, freeze_till: int | str, pooling: str, seed: int) -> SplitBackbone:
    """The base whose random weights come from `seed`, split."""
    keras.utils.set_random_seed(seed)
    return split_backbone(settings, freeze_till, pooling)


def without_download(patch) -> None:
    """Let Keras build what it builds for ImageNet weights, with random ones. patch: pytest's."""
    patch.setattr(file_utils, "get_file", lambda *_, **__: None)
    patch.setattr(keras.Model, "load_weights", lambda *_: None)
