"""Pre-train the sample's base, a small MobileNetV2, on generated images of other things.

    python -m thaw.sample.pretrain

draws 300 images of each of fifteen kinds, none of them a cat or a dog, trains a classifier on
them for 10 epochs, prints its accuracy on 30 further images of each kind, and writes
base.weights.h5 beside this file. It takes about ten minutes on two cores.
"""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from thaw.sample.things import THINGS, thing

SEED, SIZE, ALPHA = 7, 128, 0.25
TRAIN, CHECK = 300, 30  # images a kind
EPOCHS, BATCH = 10, 30


def _draw(which: tuple[str, int]) -> np.ndarray:
    kind, number = which
    return thing(np.random.default_rng([SEED, list(THINGS).index(kind), number]), kind, SIZE)


def draw_all(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `first` to `first + count` of each kind: uint8 (N, S, S, 3), labels int (N,)."""
    which = [(kind, first + number) for number in range(count) for kind in THINGS]
    with ProcessPoolExecutor() as pool:
        images = list(tqdm(pool.map(_draw, which, chunksize=16), "drawing", len(which)))
    return np.stack(images), np.tile(np.arange(len(THINGS)), count)


def main() -> None:
    """Draw, train, check and write."""
    train, check = draw_all(0, TRAIN), draw_all(TRAIN, CHECK)
    import keras  # after the drawing, so that its processes do not carry TensorFlow

    keras.utils.set_random_seed(SEED)
    base = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), alpha=ALPHA, include_top=False, weights=None
    )
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # few steps: its statistics must catch up, they are used later
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
    print("accuracy on further images:", model.evaluate(*check, verbose=0)[1])
    base.save_weights(Path(__file__).with_name("base.weights.h5"), overwrite=True)


if __name__ == "__main__":
    main()
