"""A base's name, size and cut points: what is known of it without loading it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.files import damage_explained

INFO = "info.json"


@dataclass(frozen=True)
class BackboneInfo:
    """A base's name, size and cut points.

    weights: SHA-256 of all weights.
    image_size: width and height, pixels.
    layers: number of layers; the input is layer 1.
    cut_points: every n such that the output of layer n alone feeds the later layers.
    """

    name: str
    weights: str
    image_size: int
    layers: int
    cut_points: list[int]

    @classmethod
    def open(cls, folder: Path) -> "BackboneInfo":
        """Read it from a folder that `Graph.write` wrote."""
        with damage_explained(folder):
            return cls(**json.loads((folder / INFO).read_text(encoding="utf-8")))

    def frozen_layers(self, freeze_till: int | str) -> int:
        """`freeze_till` as a number of layers. Raises ThawError if the base has fewer."""
        if freeze_till == "all":
            return self.layers
        if not 0 <= int(freeze_till) <= self.layers:
            raise ThawError(
                f"train.freeze_till must be from 0 to {self.layers}, the layers of {self.name}, "
                f"or all, but is {freeze_till}"
            )
        return int(freeze_till)

    def cut(self, freeze_till: int | str) -> int:
        """The last cut point <= `freeze_till`; 0 and 1 stand for the images themselves."""
        frozen = self.frozen_layers(freeze_till)
        return max((point for point in self.cut_points if point <= frozen), default=0)

    def fingerprint(
        self, resize: str, precision: str, cache_dtype: str, **output: Any
    ) -> dict[str, Any]:
        """What a stored array depends on, apart from the rows.

        output: `pooling` for embeddings, `cut` for activations.
        """
        return {
            "base": self.name,
            "weights": self.weights,
            "image_size": self.image_size,
            "resize": resize,
            **output,
            "precision": precision,
            "cache_dtype": cache_dtype,
        }
