"""Calibrate the ONNX graph of a classifier: divide its scores by a temperature."""

import numpy as np
import onnx
from onnx.numpy_helper import from_array
from onnx.parser import parse_node


def divide_scores(model: bytes, temperature: float) -> bytes:
    """The `probabilities` of an ONNX classifier become those of its scores / temperature.

    The heatmaps stay: a positive factor of all scores scales every one of them alike. See
    `thaw.evaluate.calibration.fit_temperature`.
    """
    classifier = onnx.load_model_from_string(model)
    graph = classifier.graph
    at = next(i for i, node in enumerate(graph.node) if "probabilities" in node.output)
    softmax = graph.node[at]
    divide = parse_node(f"calibrated_scores = Div ({softmax.input[0]}, temperature)")
    softmax.input[0] = divide.output[0]
    graph.node.insert(at, divide)
    graph.initializer.append(from_array(np.array(temperature, np.float32), "temperature"))
    return classifier.SerializeToString(deterministic=True)
