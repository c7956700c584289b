"""The network in three parts: what runs once, what follows it in the base, and the head."""

from dataclasses import dataclass
from pathlib import Path

import keras

from thaw.files import check_sha256, sha256_of
from thaw.model.backbones import BACKBONES, build, preprocess
from thaw.model.freeze import cut, freeze, frozen_layers
from thaw.params import Base


@dataclass(frozen=True)
class Parts:
    """A base taken apart; the parts share its layers, so training them trains the base.

    base: the whole backbone, its first `freeze_till` layers not trainable.
    cut: layers of the base in `front`, counted from the input.
    front: uint8 (N, S, S, 3) → activations; run once over every picture. None when nothing that
        computes is frozen, and then the activations are the pictures themselves.
    stem: activations → pooled vector (N, V). None when `front` already ends in that vector,
        because the whole base is frozen.
    """

    base: keras.Model
    freeze_till: int
    cut: int
    front: keras.Model | None
    stem: keras.Model | None

    @property
    def width(self) -> int:
        """V, the length of the pooled vector."""
        last: keras.Model = self.front if self.stem is None else self.stem
        return last.output_shape[1]


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


def take_apart(settings: Base, freeze_till: int | str, pooling: str, seed: int) -> Parts:
    """Build the backbone, freeze its first layers, cut it, add preprocessing and pooling.

    The base runs in inference mode everywhere, frozen or not. The seed decides the weights when
    there are none to load. Raises ThawError when the weights file is not the one whose SHA-256
    the settings state.
    """
    file = Path(settings.weights)
    if settings.sha256 is not None and file.is_file():
        check_sha256("base.sha256", file, sha256_of(file), settings.sha256)
    keras.utils.set_random_seed(seed)
    base = build(settings.name, settings.weights, settings.image_size, settings.alpha)
    count = frozen_layers(base, freeze_till)
    freeze(base, count)
    halves = cut(base, count)
    how = BACKBONES[settings.name].preprocessing
    pictures = keras.Input(base.input_shape[1:], dtype="uint8", name="pictures")
    if halves.prefix is None:
        vector = pool(pooling)(Inference(base)(preprocess(pictures, how)))
        stem = keras.Model(pictures, vector, name="stem")
        return Parts(base, count, halves.cut, None, stem)
    activations = Inference(halves.prefix)(preprocess(pictures, how))
    if halves.tail is None:
        front = keras.Model(pictures, pool(pooling)(activations), name="front")
        return Parts(base, count, halves.cut, front, None)
    stored = keras.Input(activations.shape[1:], name="activations")
    vector = pool(pooling)(Inference(halves.tail)(stored))
    front = keras.Model(pictures, activations, name="front")
    return Parts(base, count, halves.cut, front, keras.Model(stored, vector, name="stem"))


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
