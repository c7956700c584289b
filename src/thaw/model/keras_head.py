"""The head in Keras."""

import keras

from thaw.features.head import DenseHead


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


def head_like(trained: DenseHead, dropout: float) -> keras.Model:
    """The head in Keras, with the weights of one that was trained without it."""
    embedding_size, *hidden_units, classes = [
        trained.weights[0].shape[0],
        *(bias.shape[0] for bias in trained.weights[1::2]),
    ]
    head = build_head(embedding_size, hidden_units, dropout, classes)
    head.set_weights(trained.weights)
    return head
