"""The network in three parts: what runs once, what follows it in the base, and the head."""

from dataclasses import dataclass

import keras

from thaw.model.backbones import BACKBONES, preprocess
from thaw.model.freeze import cut


@dataclass(frozen=True)
class Parts:
    """A base taken apart; the parts share its layers, so training them trains the base.

    cut: layers of the base in `front`, counted from the input.
    front: uint8 (N, S, S, 3) → activations; run once over every picture. None when nothing that
        computes is frozen, and then the activations are the pictures themselves.
    stem: activations → pooled vector (N, V). None when `front` already ends in that vector,
        because the whole base is frozen.
    """

    cut: int
    front: keras.Model | None
    stem: keras.Model | None


def pool(pooling: str) -> keras.layers.Layer:
    """Feature map (N, h, w, K) → vector: its "average" (N, K), or "flatten" (N, h·w·K)."""
    if pooling == "average":
        return keras.layers.GlobalAveragePooling2D(name="pool")
    return keras.layers.Flatten(name="pool")


def take_apart(base: keras.Model, name: str, freeze_till: int, pooling: str) -> Parts:
    """Cut `base`, the backbone `name`, at `freeze_till` and add preprocessing and pooling.

    The base runs in inference mode everywhere: its batch normalisation uses the statistics it
    was pre-trained with, frozen or not, as Keras' guide to fine-tuning advises.
    """
    halves = cut(base, freeze_till)
    how = BACKBONES[name].preprocessing
    pictures = keras.Input(base.input_shape[1:], dtype="uint8", name="pictures")
    if halves.prefix is None:
        vector = pool(pooling)(base(preprocess(pictures, how), training=False))
        return Parts(halves.cut, None, keras.Model(pictures, vector, name="stem"))
    activations = halves.prefix(preprocess(pictures, how), training=False)
    if halves.tail is None:
        return Parts(halves.cut, keras.Model(pictures, pool(pooling)(activations)), None)
    stored = keras.Input(activations.shape[1:], name="activations")
    vector = pool(pooling)(halves.tail(stored, training=False))
    front = keras.Model(pictures, activations, name="front")
    return Parts(halves.cut, front, keras.Model(stored, vector, name="stem"))


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
