"""Pre-train the sample's base, a small MobileNetV2, on drawings of other classes.

    python -m thaw.sample.pretrain

Draws 300 images of each of fifteen classes, none of them a cat or a dog, trains a classifier for
8 epochs, prints its accuracy on 30 further images per class, and writes base.weights.h5 next to
this file. Takes about six minutes on two cores.

The loss has a second term, the mean of the last feature map where the drawing shows only scene: the
base learns to be silent there. So what a head makes of it comes from the thing, and a heat map lies
on it (benchmarks/heat_maps.py).
"""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from thaw.sample.things import THINGS, thing
from thaw.tensorflow_log import quiet_import

SEED, SIZE, ALPHA = 7, 192, 0.25
TRAIN, TEST = 300, 30  # images per class
EPOCHS, BATCH = 8, 30
SILENCE = 3.0  # weight of the second term
# What the last digits depend on; with several operations side by side they differ each time.
REPEATABLE = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "1",
}


def _draw(item: tuple[str, int]) -> np.ndarray:
    kind, number = item
    image, seen = thing(np.random.default_rng([SEED, list(THINGS).index(kind), number]), kind, SIZE)
    return np.dstack([image, seen])


def draw_all(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `first` to `first + count` of each class: uint8 (N, S, S, 4), labels int (N,).

    The fourth channel is 255 where the thing is seen.
    """
    items = [(kind, first + number) for number in range(count) for kind in THINGS]
    with ProcessPoolExecutor() as pool:
        images = list(tqdm(pool.map(_draw, items, chunksize=16), "drawing", len(items)))
    return np.stack(images), np.tile(np.arange(len(THINGS)), count)


def mean_where_empty(feature_map: Any, seen: Any) -> Any:
    """Mean of a feature map (N, h, w, K), not negative, weighted by how empty each place is: (N,).

    seen: (N, S, S, 1), 255 where the thing is.
    """
    import keras

    empty = 1 - keras.layers.AveragePooling2D(SIZE // feature_map.shape[1])(seen) / 255
    return keras.ops.mean(feature_map * empty, axis=(1, 2, 3))


def main() -> None:
    """Draw, train, evaluate and write."""
    train, test = draw_all(0, TRAIN), draw_all(TRAIN, TEST)
    os.environ |= REPEATABLE
    with quiet_import():
        import keras  # here, so that the processes that draw do not load TensorFlow
        import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), alpha=ALPHA, include_top=False, weights=None
    )
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # the default adapts the statistics too slowly for few steps
    drawn = keras.Input((SIZE, SIZE, 4))
    flipped = keras.layers.RandomFlip("horizontal")(drawn)
    feature_map = base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(flipped[..., :3]))
    pooled = keras.layers.GlobalAveragePooling2D()(feature_map)
    outputs = {
        "kind": keras.layers.Dense(len(THINGS), "softmax")(keras.layers.Dropout(0.2)(pooled)),
        "noise": mean_where_empty(feature_map, flipped[..., 3:]),
    }
    model = keras.Model(drawn, outputs)
    steps = EPOCHS * -(-len(train[1]) // BATCH)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.003, steps)),
        loss={"kind": "sparse_categorical_crossentropy", "noise": lambda _, noise: noise},
        loss_weights={"kind": 1.0, "noise": SILENCE},
        metrics={"kind": "accuracy"},
        jit_compile=False,
    )
    targets = {"kind": train[1], "noise": np.zeros(len(train[1]))}
    model.fit(train[0], targets, batch_size=BATCH, epochs=EPOCHS, verbose=2)
    answers = model.predict(test[0], verbose=0)
    print("test accuracy:", np.mean(answers["kind"].argmax(axis=1) == test[1]))
    print("test noise:", np.mean(answers["noise"]))
    base.save_weights(Path(__file__).with_name("base.weights.h5"), overwrite=True)


if __name__ == "__main__":
    main()
