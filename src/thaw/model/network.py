"""The network in parts: the frozen prefix, which runs once, the tail, and the head."""

from dataclasses import dataclass

import keras
import openvino as ov
import tensorflow as tf

from thaw.backbones import BACKBONES
from thaw.features.graph import BATCH, BackboneInfo, Graph
from thaw.model.base import load_base, preprocess
from thaw.model.freeze import backbone_info, freeze, tail_of
from thaw.model.fuse_bn import fuse_bn
from thaw.params import Base


@dataclass(frozen=True)
class SplitBackbone:
    """A base cut in two; the parts share its layers, so training the tail trains the base.

    base: the whole backbone, its first `freeze_till` layers not trainable.
    info: facts about it.
    cut: the number of layers, counted from the input, in the frozen prefix.
    embedding_size: V, the length of the pooled output.
    tail: activations at the cut → embedding (N, V); from the images, uint8 (N, S, S, 3), when no
        layer with weights is frozen. None when the whole base is frozen.
    """

    base: keras.Model
    info: BackboneInfo
    freeze_till: int
    cut: int
    embedding_size: int
    tail: keras.Model | None


class Inference(keras.layers.Layer):
    """A network that runs in inference mode even while the model around it trains.

    Its BatchNorm keeps the pre-trained statistics, as Keras' guide to fine-tuning advises; scale
    and shift train where they are not frozen. Calling the network with `training=False` is not
    enough: a functional model that trains overrides it.
    """

    def __init__(self, network: keras.Model):
        super().__init__(name=f"{network.name}_in_inference")
        self.network = network

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """The network's output."""
        return self.network(inputs, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The network's output shape; without this, Keras would run it to find out."""
        return self.network.output_shape


def pool(pooling: str) -> keras.layers.Layer:
    """Feature map (N, h, w, K) → embedding: its "average" (N, K), or "flatten" (N, h·w·K)."""
    if pooling == "average":
        return keras.layers.GlobalAveragePooling2D(name="pool")
    return keras.layers.Flatten(name="pool")


def as_graph(base: keras.Model, name: str) -> Graph:
    """The base with its preprocessing, in OpenVINO, with an output at each cut point."""
    info = backbone_info(base)
    outputs = {f"after_{n}": base.layers[n - 1].output for n in info.cut_points if n > 1}
    network = keras.Model(base.input, outputs)

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return network(preprocess(images, BACKBONES[name].preprocessing), training=False)

    images = tf.TensorSpec((BATCH, *base.input_shape[1:]), tf.uint8, name="images")
    return Graph(info, ov.convert_model(tf.function(run, [images], autograph=False)))


def split_backbone(settings: Base, freeze_till: int | str, pooling: str) -> SplitBackbone:
    """Load the base, freeze its first layers, and cut off the tail.

    The base runs in inference mode everywhere, frozen or not.
    """
    base = load_base(settings)
    info = backbone_info(base)
    frozen, cut = info.frozen_layers(freeze_till), info.cut(freeze_till)
    freeze(base, frozen)
    _, height, width, channels = base.output_shape
    size = channels if pooling == "average" else height * width * channels
    tail = None
    if cut < info.layers:
        layers = fuse_bn(tail_of(base, cut))
        if cut > 1:
            stored = activations = keras.Input(layers.input_shape[1:], name="activations")
        else:
            stored = keras.Input(base.input_shape[1:], dtype="uint8", name="images")
            activations = preprocess(stored, BACKBONES[settings.name].preprocessing)
        tail = keras.Model(stored, pool(pooling)(Inference(layers)(activations)), name="tail")
    return SplitBackbone(base, info, frozen, cut, size, tail)


def build_head(
    embedding_size: int, hidden_units: list[int], dropout: float, classes: int
) -> keras.Model:
    """Embedding (N, V) → ReLU layers of `hidden_units` → dropout → softmax (N, classes)."""
    embedding = keras.Input((embedding_size,), name="embedding")
    x = embedding
    for units in hidden_units:
        x = keras.layers.Dense(units, activation="relu")(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(
        embedding, keras.layers.Dense(classes, activation="softmax", name="softmax")(x), name="head"
    )


def build_classifier(base: keras.Model, name: str, pooling: str, head: keras.Model) -> keras.Model:
    """The whole classifier: uint8 RGB (N, S, S, 3), 0–255 → probabilities (N, classes)."""
    images = keras.Input(base.input_shape[1:], dtype="uint8", name="images")
    feature_map = base(preprocess(images, BACKBONES[name].preprocessing), training=False)
    return keras.Model(images, head(pool(pooling)(feature_map)), name="classifier")
