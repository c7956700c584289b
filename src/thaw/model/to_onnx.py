"""Export the base as an ONNX graph."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from thaw.backbones import BACKBONES
from thaw.model.base import preprocess
from thaw.model.fuse_bn import fuse_bn

OPSET = 18  # the newest that tf2onnx supports


def base_to_onnx(base: keras.Model, name: str) -> bytes:
    """The ONNX of a base with its preprocessing.

    Input: uint8 RGB `images` (N, S, S, 3), 0–255. Output: float32 `feature_map` (N, h, w, K). The
    same weights give the same bytes for the same PYTHONHASHSEED, because tf2onnx iterates over
    sets of names. BatchNorm is fused, because TensorFlow folds it into constants with an
    approximate square root.
    """
    images = keras.Input(base.input_shape[1:], dtype="uint8", name="images")
    feature_map = fuse_bn(base)(preprocess(images, BACKBONES[name].preprocessing), training=False)
    exported = to_onnx(keras.Model(images, {"feature_map": feature_map}))
    return exported.SerializeToString(deterministic=True)


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
