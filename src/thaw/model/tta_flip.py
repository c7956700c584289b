"""Test-time augmentation in the ONNX graph: average over an image and its horizontal flip."""

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
AVERAGE = [
    "original, flipped = Split <axis = 0, num_outputs = 2> (both_probabilities)",
    "probabilities = Mean (original, flipped)",
    "original_maps, flipped_maps = Split <axis = 0, num_outputs = 2> (both_heatmaps)",
    "map_width_axis = Constant <value_ints = [3]> ()",  # (N, classes, h, w)
    "unflipped_maps = Slice (flipped_maps, last, before_first, map_width_axis, last)",
    "heatmaps = Mean (original_maps, unflipped_maps)",
]


def with_tta_flip(model: bytes) -> bytes:
    """Average an ONNX `model` over each image and its flip (Krizhevsky et al. 2012, section 4.1).

    The heatmaps of the flipped image are flipped back first.
    """
    classifier = onnx.load_model_from_string(model)
    graph = classifier.graph
    renamed = {end.name: f"both_{end.name}" for end in (*graph.input, *graph.output)}
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [renamed.get(name, name) for name in tensors]
    nodes = [*map(parse_node, FLIP), *graph.node, *map(parse_node, AVERAGE)]
    del graph.node[:]
    graph.node.extend(nodes)
    return classifier.SerializeToString()
