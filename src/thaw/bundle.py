"""The bundle: the one thing that is evaluated, explained and served."""

import shutil
from pathlib import Path
from typing import Any

import onnx
from onnx.parser import parse_node

from thaw.files import sha256_of, whole, write_json

# In ONNX's own notation. A slice from the last to before the first, backwards, turns around.
TURN = [
    "last = Constant <value_ints = [-1]> ()",
    "before_first = Constant <value_ints = [-9223372036854775807]> ()",
    "across_pictures = Constant <value_ints = [2]> ()",  # (N, S, S, 3)
    "turned_pictures = Slice (pictures, last, before_first, across_pictures, last)",
    "both_pictures = Concat <axis = 0> (pictures, turned_pictures)",
]
AVERAGE = [
    "as_is, turned = Split <axis = 0, num_outputs = 2> (both_probabilities)",
    "probabilities = Mean (as_is, turned)",
    "maps, turned_maps = Split <axis = 0, num_outputs = 2> (both_heatmaps)",
    "across_maps = Constant <value_ints = [3]> ()",  # (N, classes, h, w)
    "turned_back = Slice (turned_maps, last, before_first, across_maps, last)",
    "heatmaps = Mean (maps, turned_back)",
]


def write_bundle(
    folder: Path, classifier: Path, labels: list[str], mirror: bool, facts: dict[str, Any]
) -> None:
    """Write model.onnx, labels.json and manifest.json, with the SHA-256 of each part.

    classifier: the ONNX file that thaw.model.export.write_onnx wrote. With `mirror`, model.onnx
    looks at each picture both ways. `facts` go into the manifest.
    """
    with whole(folder) as temporary:
        temporary.mkdir()
        if mirror:
            onnx.save(both_ways(onnx.load(classifier)), temporary / "model.onnx")
        else:
            shutil.copyfile(classifier, temporary / "model.onnx")
        write_json(temporary / "labels.json", labels)
        parts = ("model.onnx", "labels.json")
        hashes = {name: sha256_of(temporary / name) for name in parts}
        write_json(temporary / "manifest.json", facts | {"labels": labels, "sha256": hashes})


def both_ways(classifier: onnx.ModelProto) -> onnx.ModelProto:
    """`classifier` on a picture and on its mirror image, averaged (Krizhevsky et al. 2012, 4.1).

    The heat maps of the mirror image are turned back before they are averaged.
    """
    graph = classifier.graph
    inner = {end.name: f"both_{end.name}" for end in (*graph.input, *graph.output)}
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [inner.get(name, name) for name in tensors]
    nodes = [*map(parse_node, TURN), *graph.node, *map(parse_node, AVERAGE)]
    del graph.node[:]
    graph.node.extend(nodes)
    return classifier
