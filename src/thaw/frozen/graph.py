"""The base as a graph that can be cut at each of its narrow points, and runs without Keras."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import openvino as ov
from openvino import opset13 as opset

from thaw.errors import ThawError
from thaw.files import whole, write_json

BATCH = 32  # always the same, so that a row's activations do not depend on its neighbours


@dataclass(frozen=True)
class Facts:
    """What is known of a base.

    weights: one SHA-256 over all of them.
    image_size: pixels a side.
    layers: how many it has, counted from the input, which is one.
    points: every n such that one tensor, the output of layer n, is all that later layers see.
    """

    name: str
    weights: str
    image_size: int
    layers: int
    points: list[int]

    def frozen(self, freeze_till: int | str) -> int:
        """`freeze_till` as a number of layers; raises ThawError when the base has fewer."""
        if freeze_till == "all":
            return self.layers
        if not 0 <= int(freeze_till) <= self.layers:
            raise ThawError(
                f"train.freeze_till must be from 0 to {self.layers}, the layers of {self.name}, "
                f"or all, but is {freeze_till}"
            )
        return int(freeze_till)

    def cut(self, freeze_till: int | str) -> int:
        """The last narrow point among the frozen layers; 0 and 1 are the pictures themselves."""
        frozen = self.frozen(freeze_till)
        return max((point for point in self.points if point <= frozen), default=0)


@dataclass(frozen=True)
class Graph:
    """A base in OpenVINO: uint8 RGB (BATCH, S, S, 3), 0–255 → `after_n` for each narrow point n."""

    facts: Facts
    network: ov.Model

    @classmethod
    def open(cls, folder: Path) -> "Graph":
        """Open what `write` wrote."""
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        return cls(Facts(**facts), ov.Core().read_model(folder / "graph.xml"))

    def write(self, folder: Path) -> None:
        """Write graph.xml, graph.bin and facts.json."""
        with whole(folder) as temporary:
            temporary.mkdir()
            ov.save_model(self.network, temporary / "graph.xml", compress_to_fp16=False)
            write_json(temporary / "facts.json", asdict(self.facts))

    def front(self, cut: int, pooling: str) -> ov.Model:
        """The pooled vectors of the whole base, (BATCH, V), and what leaves the cut.

        The latter, (BATCH, …), is there where a tail follows the cut and layers precede it.
        """
        feature_map = self._after(self.facts.layers)
        if pooling == "average":
            pooled = opset.reduce_mean(feature_map, [1, 2], keep_dims=False)
        else:
            pooled = opset.reshape(feature_map, [0, -1], special_zero=True)
        outputs = [pooled.output(0)]
        if 1 < cut < self.facts.layers:
            outputs.append(self._after(cut))
        return ov.Model(outputs, self.network.get_parameters(), "front")

    def _after(self, point: int) -> ov.Output:
        return self.network.output(f"after_{point}").get_node().input_value(0)
