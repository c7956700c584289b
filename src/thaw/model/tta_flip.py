"""Test-time augmentation in the ONNX graph: average over an image and its horizontal flip."""

from collections.abc import Iterator

import onnx
from onnx.parser import parse_node

# ONNX text format. A slice from the last element to before the first, with step -1, is a flip.
FLIP = [
    "last = Constant <value_ints = [-1]> ()",
    "before_first = Constant <value_ints = [-9223372036854775807]> ()",
    "image_width_axis = Constant <value_ints = [2]> ()",  # (N, S, S, 3)
    "flipped_images = Slice (images, last, before_first, image_width_axis, last)",
    "both_images = Concat <axis = 0> (images, flipped_images)",
]


def with_tta_flip(model: bytes) -> bytes:
    """Average an ONNX `model` over each image and its flip (Krizhevsky et al. 2012, section 4.1).

    Each output (N, …) is averaged; the heatmaps of the flipped image are flipped back first.
    """
    classifier = onnx.load_model_from_string(model)
    graph = classifier.graph
    outputs = [output.name for output in graph.output]
    renamed = {name: f"both_{name}" for name in ("images", *outputs)}
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [renamed.get(name, name) for name in tensors]
    averages = (parse_node(node) for name in outputs for node in _average(name))
    nodes = [*map(parse_node, FLIP), *graph.node, *averages]
    del graph.node[:]
    graph.node.extend(nodes)
    return classifier.SerializeToString()


def _average(output: str) -> Iterator[str]:
    flipped = f"flipped_{output}"
    yield f"original_{output}, {flipped} = Split <axis = 0, num_outputs = 2> (both_{output})"
    if output == "heatmaps":
        yield "map_width_axis = Constant <value_ints = [3]> ()"  # (N, classes, h, w)
        yield f"unflipped = Slice ({flipped}, last, before_first, map_width_axis, last)"
        flipped = "unflipped"
    yield f"{output} = Mean (original_{output}, {flipped})"
