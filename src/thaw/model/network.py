"""The network in parts: what runs once, what follows it in the base, and the head."""

from dataclasses import dataclass
from pathlib import Path

import keras
import openvino as ov
import tensorflow as tf

from thaw.files import check_sha256, sha256_of
from thaw.frozen.graph import BATCH, Facts, Graph
from thaw.model.backbones import BACKBONES, build, preprocess
from thaw.model.fold import fold
from thaw.model.freeze import facts_of, freeze, tail_of
from thaw.params import Base


@dataclass(frozen=True)
class Parts:
    """A base taken apart; the parts share its layers, so training them trains the base.

    base: the whole backbone, its first `freeze_till` layers not trainable.
    facts: what is known of it.
    cut: how many layers, counted from the input, run once over every picture.
    width: V, the length of the pooled vector.
    stem: what leaves the cut → pooled vector (N, V); the pictures, uint8 (N, S, S, 3), when
        nothing that computes is frozen. None when the whole base is frozen.
    """

    base: keras.Model
    facts: Facts
    freeze_till: int
    cut: int
    width: int
    stem: keras.Model | None


class Inference(keras.layers.Layer):
    """A network that runs in inference mode even while the model around it trains.

    Its batch normalisation keeps the statistics it was pre-trained with, as Keras' guide to
    fine-tuning advises; scale and shift train where they are not frozen. Calling the network with
    `training=False` is not enough: a functional model that is trained overrides it.
    """

    def __init__(self, network: keras.Model):
        super().__init__(name=f"{network.name}_in_inference")
        self.network = network

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """What the network makes of `inputs`."""
        return self.network(inputs, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape that the network states; without this, Keras would run it to find out."""
        return self.network.output_shape


def pool(pooling: str) -> keras.layers.Layer:
    """Feature map (N, h, w, K) → vector: its "average" (N, K), or "flatten" (N, h·w·K)."""
    if pooling == "average":
        return keras.layers.GlobalAveragePooling2D(name="pool")
    return keras.layers.Flatten(name="pool")


def load_base(settings: Base, seed: int) -> keras.Model:
    """Build the backbone with its weights; the seed decides them when there are none to load.

    Raises ThawError when the weights file is not the one whose SHA-256 the settings state.
    """
    file = Path(settings.weights)
    if settings.sha256 is not None and file.is_file():
        check_sha256("base.sha256", file, sha256_of(file), settings.sha256)
    keras.utils.set_random_seed(seed)
    return build(settings.name, settings.weights, settings.image_size, settings.alpha)


def as_graph(base: keras.Model, name: str) -> Graph:
    """The base with its preprocessing, in OpenVINO, with an output at each narrow point."""
    facts = facts_of(base)
    outputs = {f"after_{n}": base.layers[n - 1].output for n in facts.points if n > 1}
    network = keras.Model(base.input, outputs)

    def run(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        return network(preprocess(pictures, BACKBONES[name].preprocessing), training=False)

    pictures = tf.TensorSpec((BATCH, *base.input_shape[1:]), tf.uint8, name="pictures")
    return Graph(facts, ov.convert_model(tf.function(run, [pictures], autograph=False)))


def take_apart(settings: Base, freeze_till: int | str, pooling: str, seed: int) -> Parts:
    """Load the backbone, freeze its first layers, and cut off what is left to train.

    The base runs in inference mode everywhere, frozen or not.
    """
    base = load_base(settings, seed)
    facts = facts_of(base)
    count, cut = facts.frozen(freeze_till), facts.cut(freeze_till)
    freeze(base, count)
    _, height, width, channels = base.output_shape
    length = channels if pooling == "average" else height * width * channels
    stem = None
    if cut < facts.layers:
        tail = fold(tail_of(base, cut))
        if cut > 1:
            stored = activations = keras.Input(tail.input_shape[1:], name="activations")
        else:
            stored = keras.Input(base.input_shape[1:], dtype="uint8", name="pictures")
            activations = preprocess(stored, BACKBONES[settings.name].preprocessing)
        stem = keras.Model(stored, pool(pooling)(Inference(tail)(activations)), name="stem")
    return Parts(base, facts, count, cut, length, stem)


def build_head(width: int, dense: list[int], dropout: float, classes: int) -> keras.Model:
    """Vector (N, width) → ReLU layers of the widths in `dense` → dropout → softmax (N, classes)."""
    vector = keras.Input((width,), name="vector")
    x = vector
    for units in dense:
        x = keras.layers.Dense(units, activation="relu")(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(
        vector, keras.layers.Dense(classes, activation="softmax", name="softmax")(x), name="head"
    )


def put_together(base: keras.Model, name: str, pooling: str, head: keras.Model) -> keras.Model:
    """The whole classifier: uint8 RGB (N, S, S, 3), 0–255 → probabilities (N, classes)."""
    pictures = keras.Input(base.input_shape[1:], dtype="uint8", name="pictures")
    feature_map = base(preprocess(pictures, BACKBONES[name].preprocessing), training=False)
    return keras.Model(pictures, head(pool(pooling)(feature_map)), name="classifier")
