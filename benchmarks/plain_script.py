"""A plain Keras script: fit the entire network on decoded images that are cached in memory."""

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from thaw.data.tables import read_classes
from thaw.features.rows import Row, Rows
from thaw.images import decode
from thaw.model.base import load_base
from thaw.model.freeze import freeze
from thaw.model.network import Inference
from thaw.params import Params
from thaw.paths import IMAGES, SPLIT, VIEWS


class Script:
    """The plain Keras script, for one seed. policy: Keras' dtype policy."""

    def __init__(self, folder: Path, params: Params, policy: str) -> None:
        self._params, self._policy = params, policy
        self._classes = read_classes(folder / IMAGES)
        rows = list(Rows(folder / IMAGES, folder / SPLIT, folder / VIEWS))
        self._train = self._dataset([row for row in rows if row.split == "train"], shuffle=True)
        self._val = self._dataset([row for row in rows if row.split == "val"], shuffle=False)

    def _dataset(self, rows: Sequence[Row], shuffle: bool) -> tf.data.Dataset:
        """Batches of images, uint8, and labels. The first epoch decodes and fills the cache."""
        base = self._params.base

        def image(data: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = tf.numpy_function(
                lambda data: decode(data, base.image_size, base.resize), [data], tf.uint8
            )
            return tf.ensure_shape(pixels, (base.image_size, base.image_size, 3)), label

        data, labels = [row.data for row in rows], [self._classes.index(row.label) for row in rows]
        files = tf.data.Dataset.from_tensor_slices((data, labels))
        images = files.map(image, num_parallel_calls=tf.data.AUTOTUNE).cache()
        images = images.shuffle(len(rows)) if shuffle else images
        return images.batch(self._params.train.batch_size).prefetch(tf.data.AUTOTUNE)

    def train(self, depth: str) -> float:
        """Train head, then head and tail; accuracy on validation at the lowest loss."""
        settings = self._params.train
        keras.backend.clear_session()
        keras.config.set_dtype_policy(self._policy)
        keras.utils.set_random_seed(self._params.seed)
        base = load_base(self._params.base)
        freeze(base, len(base.layers))
        model = self._classifier(base)
        found = self._fit(model, settings.head_epochs, settings.head_learning_rate)
        if depth != "all":
            freeze(base, int(depth))
            found += self._fit(model, settings.fine_tune_epochs, settings.fine_tune_learning_rate)
        return min(found)[1]

    def _classifier(self, base: keras.Model) -> keras.Model:
        settings = self._params.train
        images = keras.Input(base.input_shape[1:], dtype="uint8")
        x = Inference(base)(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images))
        x = keras.layers.GlobalAveragePooling2D()(x)
        for units in settings.hidden_units:
            x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.Dropout(settings.dropout)(x)
        softmax = keras.layers.Dense(len(self._classes), activation="softmax", dtype="float32")
        return keras.Model(images, softmax(x))

    def _fit(self, model: keras.Model, epochs: int, rate: float) -> list[tuple[float, float]]:
        """Fit and restore the best weights; loss and accuracy on validation of each epoch."""
        model.compile(
            keras.optimizers.Adam(rate, weight_decay=self._params.train.weight_decay or None),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
        )
        best = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
        history = model.fit(
            self._train,
            validation_data=self._val,
            epochs=epochs,
            callbacks=[best],
            shuffle=False,  # the dataset does it
            verbose=0,
        ).history
        return list(zip(history["val_loss"], history["val_accuracy"], strict=True))
