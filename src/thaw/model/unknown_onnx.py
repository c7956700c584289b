"""Add the embedding and the unknown score to the ONNX graph of a classifier."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx.helper import make_tensor_value_info
from onnx.numpy_helper import from_array
from onnx.parser import parse_node

# The method is described in thaw.evaluate.unknown. Squares are summed by a product with ones,
# because OpenVINO's ReduceL2 and ReduceSumSquare have other last digits on processors with AVX-512.
NODES = [
    "embedding = ReduceMean <keepdims = 0> (feature_map, unknown_sides)",
    "embedding_squares = Mul (embedding, embedding)",
    "squared_length = MatMul (embedding_squares, unknown_channel_ones)",
    "any_length = Sqrt (squared_length)",
    "length = Max (any_length, unknown_tiny)",
    "scaled = Div (embedding, length)",
    "centred = Sub (scaled, unknown_centre)",
    "directions = Cast <to = 1> (unknown_directions)",
    "inside = MatMul (centred, directions)",
    "projected = Gemm <transB = 1> (inside, directions)",
    "outside = Sub (centred, projected)",
    "outside_squares = Mul (outside, outside)",
    "scaled_outside_square = MatMul (outside_squares, unknown_channel_ones)",
    "scaled_outside_length = Sqrt (scaled_outside_square)",
    "outside_length = Mul (scaled_outside_length, length)",
    "outside_root = Sqrt (outside_length)",
    "references = Cast <to = 1> (unknown_references)",
    "less_own_square = Gemm <alpha = -2.0, transB = 1> (inside, references, unknown_squares)",
    "inside_squares = Mul (inside, inside)",
    "own_square = MatMul (inside_squares, unknown_direction_ones)",
    "lowest, which = TopK <largest = 0> (less_own_square, unknown_nearest)",
    "squared_distances = Add (lowest, own_square)",
    "not_negative = Relu (squared_distances)",
    "distances = Sqrt (not_negative)",
    "distance = MatMul (distances, unknown_weights)",
    "score_of_each = Mul (distance, outside_root)",
    "unknown_score = Squeeze (score_of_each, unknown_channel_axis)",
]


def positions(model: bytes) -> int:
    """Number of positions of the feature map of a classifier, h · w."""
    outputs = onnx.load_model_from_string(model).graph.output
    [heatmaps] = [output for output in outputs if output.name == "heatmaps"]
    height, width = (side.dim_value for side in heatmaps.type.tensor_type.shape.dim[-2:])
    return int(height * width)


def with_unknown_score(model: bytes, reference: Mapping[str, Any]) -> bytes:
    """Add two outputs, float32, to the ONNX of a classifier that `classifier_onnx` made.

    `embedding` (N, K) is the mean of the feature map over its positions; `unknown_score` (N,) is 0
    or more, and larger for stranger images. reference: the fields of
    a thaw.evaluate.unknown.Reference by their names, of K channels.
    """
    classifier = onnx.load_model_from_string(model)
    graph = classifier.graph
    (channels, directions), nearest = reference["directions"].shape, reference["nearest"]
    constants = {
        **reference,
        "nearest": np.array([nearest]),
        "squares": (reference["references"].astype(np.float32) ** 2).sum(axis=1),
        "sides": np.array([1, 2]),  # of the feature map (N, h, w, K)
        "channel_axis": np.array([1]),  # and that of references
        "channel_ones": np.ones((channels, 1), np.float32),
        "direction_ones": np.ones((directions, 1), np.float32),
        "weights": np.full((nearest, 1), 1 / nearest, np.float32),
        "tiny": np.array([1e-12], np.float32),
    }
    graph.initializer.extend(
        from_array(array, f"unknown_{name}") for name, array in constants.items()
    )
    graph.node.extend(map(parse_node, NODES))
    float32, channels = onnx.TensorProto.FLOAT, len(reference["centre"])
    graph.output.append(make_tensor_value_info("embedding", float32, ["batch", channels]))
    graph.output.append(make_tensor_value_info("unknown_score", float32, ["batch"]))
    return classifier.SerializeToString(deterministic=True)
