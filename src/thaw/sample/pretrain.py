"""Pre-train the sample's base, a small MobileNetV2, on drawings of other classes.

    python -m thaw.sample.pretrain

Draws 300 images of each of fifteen classes, none of them a cat or a dog, trains a classifier for
10 epochs, prints its accuracy on 30 further images per class, and writes base.weights.h5 next to
this file. Takes about ten minutes on two cores.
"""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from thaw.sample.things import THINGS, thing
from thaw.tensorflow_log import quiet_import

SEED, SIZE, ALPHA = 7, 128, 0.25
TRAIN, TEST = 300, 30  # images per class
EPOCHS, BATCH = 10, 30


def _draw(item: tuple[str, int]) -> np.ndarray:
    kind, number = item
    return thing(np.random.default_rng([SEED, list(THINGS).index(kind), number]), kind, SIZE)


def draw_all(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `first` to `first + count` of each class: uint8 (N, S, S, 3), labels int (N,)."""
    items = [(kind, first + number) for number in range(count) for kind in THINGS]
    with ProcessPoolExecutor() as pool:
        images = list(tqdm(pool.map(_draw, items, chunksize=16), "drawing", len(items)))
    return np.stack(images), np.tile(np.arange(len(THINGS)), count)


def main() -> None:
    """Draw, train, evaluate and write."""
    train, test = draw_all(0, TRAIN), draw_all(TRAIN, TEST)
    with quiet_import():
        import keras  # here, so that the processes that draw do not load TensorFlow

    keras.utils.set_random_seed(SEED)
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), alpha=ALPHA, include_top=False, weights=None
    )
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # the default adapts the statistics too slowly for few steps
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0),
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(len(THINGS), activation="softmax"),
        ]
    )
    steps = EPOCHS * -(-len(train[1]) // BATCH)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.003, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(*train, batch_size=BATCH, epochs=EPOCHS, verbose=2)
    print("test accuracy:", model.evaluate(*test, verbose=0)[1])
    base.save_weights(Path(__file__).with_name("base.weights.h5"), overwrite=True)


if __name__ == "__main__":
    main()
