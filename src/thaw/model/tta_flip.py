"""Test-time augmentation inside the ONNX graph: an image and its mirror image, averaged."""

import onnx
from onnx.parser import parse_node

# In ONNX's own notation. A slice from the last to before the first, backwards, mirrors an axis.
MIRROR = [
    "last = Constant <value_ints = [-1]> ()",
    "before_first = Constant <value_ints = [-9223372036854775807]> ()",
    "width_of_images = Constant <value_ints = [2]> ()",  # (N, S, S, 3)
    "mirrored_images = Slice (images, last, before_first, width_of_images, last)",
    "both_images = Concat <axis = 0> (images, mirrored_images)",
]
AVERAGE = [
    "as_is, mirrored = Split <axis = 0, num_outputs = 2> (both_probabilities)",
    "probabilities = Mean (as_is, mirrored)",
    "maps, mirrored_maps = Split <axis = 0, num_outputs = 2> (both_heatmaps)",
    "width_of_maps = Constant <value_ints = [3]> ()",  # (N, classes, h, w)
    "maps_back = Slice (mirrored_maps, last, before_first, width_of_maps, last)",
    "heatmaps = Mean (maps, maps_back)",
]


def with_tta_flip(model: bytes) -> bytes:
    """The ONNX `model` on an image and its mirror image, averaged (Krizhevsky et al. 2012, 4.1).

    The heat maps of the mirror image are mirrored back before they are averaged.
    """
    classifier = onnx.load_model_from_string(model)
    graph = classifier.graph
    inner = {end.name: f"both_{end.name}" for end in (*graph.input, *graph.output)}
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [inner.get(name, name) for name in tensors]
    nodes = [*map(parse_node, MIRROR), *graph.node, *map(parse_node, AVERAGE)]
    del graph.node[:]
    graph.node.extend(nodes)
    return classifier.SerializeToString()
