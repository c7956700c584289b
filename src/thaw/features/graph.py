"""The base as an OpenVINO graph with an output at each cut point, independent of Keras."""

from dataclasses import asdict, dataclass
from pathlib import Path

import openvino as ov
from openvino import opset13 as opset

from thaw.features.backbone_info import INFO, BackboneInfo
from thaw.files import atomic_write, damage_explained, write_json


@dataclass(frozen=True)
class Graph:
    """A base in OpenVINO: uint8 RGB (N, S, S, 3), 0–255 → `after_n` for each cut point n."""

    info: BackboneInfo
    network: ov.Model

    @classmethod
    def open(cls, folder: Path) -> "Graph":
        """Open a folder that `write` wrote."""
        info = BackboneInfo.open(folder)
        with damage_explained(folder):
            return cls(info, ov.Core().read_model(folder / "graph.xml"))

    def write(self, folder: Path) -> None:
        """Write graph.xml, graph.bin and info.json."""
        with atomic_write(folder) as temporary:
            temporary.mkdir()
            ov.save_model(self.network, temporary / "graph.xml", compress_to_fp16=False)
            write_json(temporary / INFO, asdict(self.info))

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
