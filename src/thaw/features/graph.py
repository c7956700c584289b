"""The base as an OpenVINO graph with an output at each cut point, independent of Keras."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openvino as ov
from openvino import opset13 as opset

from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained, write_json


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


@dataclass(frozen=True)
class Graph:
    """A base in OpenVINO: uint8 RGB (N, S, S, 3), 0–255 → `after_n` for each cut point n."""

    info: BackboneInfo
    network: ov.Model

    @classmethod
    def open(cls, folder: Path) -> "Graph":
        """Open a folder that `write` wrote."""
        with damage_explained(folder):
            info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
            return cls(BackboneInfo(**info), ov.Core().read_model(folder / "graph.xml"))

    def write(self, folder: Path) -> None:
        """Write graph.xml, graph.bin and info.json."""
        with atomic_write(folder) as temporary:
            temporary.mkdir()
            ov.save_model(self.network, temporary / "graph.xml", compress_to_fp16=False)
            write_json(temporary / "info.json", asdict(self.info))

    def prefix(self, cut: int) -> ov.Model:
        """The frozen prefix: images → activations at the cut, (N, …), or images if it is 0."""
        images = self.network.get_parameters()
        output = self._after(cut) if cut > 1 else images[0].output(0)
        return ov.Model([output], images, "prefix")

    def embedder(self, pooling: str) -> ov.Model:
        """The entire base: images → embedding, its pooled output, (N, V)."""
        feature_map = self._after(self.info.layers)
        if pooling == "average":
            embedding = opset.reduce_mean(feature_map, [1, 2], keep_dims=False)
        else:
            embedding = opset.reshape(feature_map, [0, -1], special_zero=True)
        return ov.Model([embedding.output(0)], self.network.get_parameters(), "embedder")

    def _after(self, point: int) -> ov.Output:
        return self.network.output(f"after_{point}").get_node().input_value(0)
