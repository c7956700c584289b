"""Split the base at the cut, and build the classifier."""

from dataclasses import dataclass

import keras
import openvino as ov
import tensorflow as tf

from thaw.backbones import BACKBONES
from thaw.features.backbone_info import BackboneInfo
from thaw.features.graph import Graph
from thaw.model.base import load_base, preprocess
from thaw.model.freeze import backbone_info, freeze, tail_of
from thaw.model.fuse_bn import fuse_bn
from thaw.params import Base


@dataclass(frozen=True)
class SplitBackbone:
    """A base split at the cut. The tail shares the base's layers, so training it trains the base.

    base: the entire backbone; its first `freeze_till` layers are not trainable.
    cut: number of layers, counted from the input, in the frozen prefix.
    embedding_size: V, the length of the pooled output.
    tail: activations at the cut → embedding (N, V). Takes images, uint8 (N, S, S, 3), if no layer
        with weights is frozen; None if the entire base is.
    """

    base: keras.Model
    info: BackboneInfo
    freeze_till: int
    cut: int
    embedding_size: int
    tail: keras.Model | None


class Inference(keras.layers.Layer):
    """Run a network in inference mode even while the model around it trains.

    BatchNorm then uses its pre-trained statistics, as Keras' fine-tuning guide advises; its scale
    and shift train unless they are frozen. Calling the network with `training=False` is not
    enough: an enclosing functional model overrides it in training.
    """

    def __init__(self, network: keras.Model):
        super().__init__(name=f"{network.name}_in_inference")
        self.network = network

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the network's output."""
        return self.network(inputs, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the network's output shape; by default Keras runs the network to find it."""
        return self.network.output_shape


def pool(pooling: str) -> keras.layers.Layer:
    """Feature map (N, h, w, K) → embedding (N, K) for "average", (N, h·w·K) for "flatten"."""
    if pooling == "average":
        return keras.layers.GlobalAveragePooling2D(name="pool")
    return keras.layers.Flatten(name="pool")


def as_graph(base: keras.Model, name: str) -> Graph:
    """Convert the base with its preprocessing to OpenVINO, with an output at each cut point."""
    info = backbone_info(base)
    outputs = {f"after_{n}": base.layers[n - 1].output for n in info.cut_points if n > 1}
    network = keras.Model(base.input, outputs)

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return network(preprocess(images, BACKBONES[name].preprocessing), training=False)

    # OpenVINO fuses convolutions of a fixed batch depending on the size of the processor's cache,
    # which changes last digits.
    images = tf.TensorSpec((None, *base.input_shape[1:]), tf.uint8, name="images")
    return Graph(info, ov.convert_model(tf.function(run, [images], autograph=False)))


def split_backbone(settings: Base, freeze_till: int | str, pooling: str) -> SplitBackbone:
    """Load the base, freeze its first layers and split it at the cut.

    The base always runs in inference mode, frozen or not.
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


def build_classifier(base: keras.Model, name: str, pooling: str, head: keras.Model) -> keras.Model:
    """The complete classifier: uint8 RGB (N, S, S, 3), 0–255 → probabilities (N, classes)."""
    images = keras.Input(base.input_shape[1:], dtype="uint8", name="images")
    feature_map = base(preprocess(images, BACKBONES[name].preprocessing), training=False)
    return keras.Model(images, head(pool(pooling)(feature_map)), name="classifier")
