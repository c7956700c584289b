"""The rows of the table of backbones, as small as they may be."""

from thaw.model.backbones import BACKBONES
from thaw.params import Base


def smallest(name: str) -> Base:
    """Settings of a base with random weights."""
    row = BACKBONES[name]
    alpha = 0.35 if name == "MobileNetV2" else 0.25 if row.has_alpha else None
    return Base(name, alpha, "none", None, row.smallest)
