"""Export the classifier as one ONNX graph with probabilities and Grad-CAM heatmaps."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from thaw.files import atomic_write
from thaw.model.network import pool

OPSET = 18  # the newest that tf2onnx supports


class GradCam(keras.layers.Layer):
    """Feature map (N, h, w, K) → a heatmap for each class, (N, classes, h, w), not negative.

    Grad-CAM (Selvaraju et al. 2017): the weight of channel k for class c is the mean over all
    positions of the gradient of the score before the softmax, ∂y_c/∂A_ijk (eq. 1); the map is
    ReLU(Σ_k weight_kc · A_k) (eq. 2). The head is a chain of ReLU layers, so that gradient is the
    product of its kernels with the rows of inactive units set to zero, and the exported graph
    needs no automatic differentiation. Dropout is inactive in inference.
    """

    def __init__(self, head: keras.Model, pooling: str):
        super().__init__(name="gradcam")
        dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
        self.hidden, self.softmax, self.pooling = dense[:-1], dense[-1], pooling
        self.pool = pool(pooling)

    def call(self, feature_map: keras.KerasTensor) -> keras.KerasTensor:
        """Apply eq. 1 and 2 to a batch."""
        ops = keras.ops
        _, height, width, channels = feature_map.shape
        x = self.pool(feature_map)
        active = []
        for layer in self.hidden:
            x = layer(x)
            active.append(ops.cast(x > 0, "float32"))
        gradient = ops.transpose(self.softmax.kernel)[None] * ops.ones_like(x[:, None, :])
        for layer, mask in zip(reversed(self.hidden), reversed(active), strict=True):
            gradient = ops.matmul(gradient * mask[:, None, :], ops.transpose(layer.kernel))
        classes = self.softmax.units
        if self.pooling == "average":
            weights = gradient / (height * width)
        else:
            by_position = ops.reshape(gradient, (-1, classes, height * width, channels))
            weights = ops.mean(by_position, axis=2)
        positions = ops.reshape(feature_map, (-1, height * width, channels))
        maps = ops.matmul(weights, ops.transpose(positions, (0, 2, 1)))
        return ops.relu(ops.reshape(maps, (-1, classes, height, width)))


def with_heatmaps(classifier: keras.Model, pooling: str) -> keras.Model:
    """The classifier with a second output: uint8 (N, S, S, 3) → probabilities, heatmaps."""
    head = classifier.get_layer("head")
    feature_map = classifier.get_layer("pool").input
    return keras.Model(
        classifier.input,
        {"probabilities": classifier.output, "heatmaps": GradCam(head, pooling)(feature_map)},
    )


def write_onnx(path: Path, classifier: keras.Model, pooling: str) -> None:
    """Write the classifier with its heatmaps as ONNX.

    Input: uint8 RGB `images` (N, S, S, 3), 0–255. Outputs, float32: `probabilities` (N, classes)
    and `heatmaps` (N, classes, h, w). The same weights give the same bytes for the same
    PYTHONHASHSEED, because tf2onnx iterates over sets of names.
    """
    with atomic_write(path) as temporary:
        onnx.save(to_onnx(with_heatmaps(classifier, pooling)), temporary)


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """Export with tf2onnx, with the model's names of inputs and outputs, for any batch size.

    `model.export` would trace the network three times to write a SavedModel, which is not needed.
    """
    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="images")
    function = tf.function(partial(model, training=False), [images], autograph=False)
    with functions_inlined(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        traced = function.get_concrete_function()
        exported, _ = tf2onnx.convert.from_function(
            function, [images], OPSET, custom_op_handlers={"Erfc": (erfc, [])}
        )
    # tf2onnx exports captured constants, such as the mean of a Normalization layer, as inputs;
    # make them initializers.
    graph = exported.graph
    used = {tensor for node in graph.node for tensor in node.input}
    for value, inside in traced.graph.captures:
        if inside.name in used and value.dtype != tf.resource:
            graph.initializer.append(onnx.numpy_helper.from_array(value.numpy(), inside.name))
    del graph.input[1:]
    canonical_names(graph)
    return exported


@contextmanager
def functions_inlined() -> Iterator[None]:
    """Inline nested functions while tracing, because tf2onnx does not support function calls.

    Keras' grouped convolutions, as in ConvNeXt, are such functions.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def erfc(graph: tf2onnx.graph.Graph, node: tf2onnx.graph.Node, name: str, _: list[str]) -> None:
    """Write Erfc, which GELU uses and tf2onnx does not support, as 1 - erf(x)."""
    one = graph.make_const(f"{name}_one", np.ones((), np.float32)).output[0]
    erf = graph.make_node("Erf", list(node.input)).output[0]
    graph.replace_inputs(node, [one, erf])
    node.type = "Sub"


def canonical_names(graph: onnx.GraphProto) -> None:
    """Rename nodes and tensors by their order, so that the same network gives the same bytes.

    tf2onnx numbers constants in an order that differs between processes, and writes the number of
    traced functions into the description. The names of inputs and outputs are unchanged.
    """
    graph.doc_string = ""
    ends = [*graph.input, *graph.output]
    names = {end.name: end.name for end in ends} | {"": ""}  # "" is an omitted optional input
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        for tensors in (node.input, node.output):
            tensors[:] = [names.setdefault(name, f"t{len(names)}") for name in tensors]
    constants = sorted(graph.initializer, key=lambda constant: names[constant.name])
    for constant in constants:
        constant.name = names[constant.name]
    copies = [onnx.TensorProto.FromString(constant.SerializeToString()) for constant in constants]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(copies)
    for end in ends:
        end.type.tensor_type.shape.dim[0].dim_param = "batch"
