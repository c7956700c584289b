"""Fine-tune tail and head on cached activations, after the head phase; keep the best epoch."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from thaw.errors import ThawError
from thaw.features.adam_head import batch_orders
from thaw.features.embedded import class_indices
from thaw.features.fingerprint import check_fingerprint
from thaw.features.head import DenseHead
from thaw.features.progress import read_progress, write_arrays, write_progress
from thaw.features.stored import ChosenRows
from thaw.model.checkpoint import Checkpointer, restore, values
from thaw.model.epoch_report import tensorboard_folder
from thaw.model.freeze import trainable_parameters
from thaw.model.head_phase import HeadPhase, Trained
from thaw.model.keras_head import head_like
from thaw.model.network import SplitBackbone, split_backbone
from thaw.model.to_onnx import base_to_onnx
from thaw.params import Base

log = logging.getLogger("thaw")

PHASE = "fine-tuning"


@dataclass(frozen=True)
class ArrayDataset:
    """Rows of an array, and their labels.

    inputs: (M, …); may be memory-mapped, only the rows of a batch are read. rows: int (N,),
    indices into `inputs`. labels: int (N,).
    """

    inputs: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


def batches(
    dataset: ArrayDataset, size: int, seed: int | None = None, epoch: int = 0
) -> tf.data.Dataset:
    """Batches of (inputs, labels), shuffled in each epoch if there is a seed.

    The order depends only on the seed and the epoch, counted from `epoch`, so runs can resume.
    """
    count = len(dataset.labels)
    dtype = np.uint8 if dataset.inputs.dtype == np.uint8 else np.float32
    epochs = itertools.count(epoch)

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if seed is None:
            orders = iter(np.split(np.arange(count), range(size, count, size)))
        else:
            orders = batch_orders(count, size, seed, next(epochs))
        for chosen in orders:
            inputs = dataset.inputs[dataset.rows[chosen]]
            yield inputs.astype(dtype, copy=False), dataset.labels[chosen]

    signature = (
        tf.TensorSpec((None, *dataset.inputs.shape[1:]), dtype),
        tf.TensorSpec((None,), tf.int64),
    )
    steps = tf.data.experimental.assert_cardinality(-(-count // size))
    generated = tf.data.Dataset.from_generator(read, output_signature=signature)
    return generated.prefetch(2).apply(steps)


class Adam(keras.optimizers.Adam):
    """Keras' Adam with TensorFlow's fused operation for the update of a variable.

    Equal up to rounding. Keras builds fifteen operations per variable, which takes half of the
    time before the first step (benchmarks/tricks.py, "Adam's step as one operation").
    """

    def apply(
        self, grads: list[tf.Tensor], trainable_variables: list[keras.Variable] | None = None
    ) -> None:
        """Update the variables in place."""
        step = tf.cast(self.iterations.value + 1, tf.float32)
        betas = tf.constant(self.beta_1), tf.constant(self.beta_2)
        self._step_constants = (*[beta**step for beta in betas], *betas, tf.constant(self.epsilon))
        super().apply(grads, trainable_variables)

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Update `variable` and its two moments in place."""
        index = self._get_variable_index(variable)
        beta1_power, beta2_power, beta1, beta2, epsilon = self._step_constants
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta1_power,
            beta2_power=beta2_power,
            lr=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            grad=gradient,
        )


@dataclass(frozen=True)
class FineTuning:
    """Trains a head on embeddings, and then head and tail on the activations at the cut."""

    head_phase: HeadPhase
    base: Base

    def run(self, chosen: ChosenRows, name: str = "") -> Trained:
        """Run both phases; the best epoch is chosen among all of their epochs."""
        phase = self.head_phase
        keras.backend.clear_session()
        keras.utils.set_random_seed(phase.seed)
        tf.config.experimental.enable_op_determinism()
        parts, inputs = self._split(), self._inputs()
        checkpoint, board = phase.checkpoint / name, tensorboard_folder() / name
        trained, progress = phase.train(chosen, checkpoint / "head", board)
        head = head_like(trained, phase.settings.dropout)
        assert parts.tail is not None
        model = keras.Model(parts.tail.input, head(parts.tail.output))
        if not read_progress(checkpoint).history:
            for path in (progress.best(checkpoint), progress.latest(checkpoint)):
                write_arrays(path, values(model.variables))
            write_progress(checkpoint, progress)
        if parts.tail.trainable_weights and phase.settings.fine_tune_epochs:
            self._fine_tune(model, chosen, checkpoint, board)
        progress = read_progress(checkpoint)
        restore(progress.best(checkpoint), model.variables)
        log.info("best epoch: %d, validation loss %.4f", progress.best_epoch, progress.best_loss)
        return Trained(
            DenseHead(head.get_weights()),
            progress,
            trainable_parameters(model),
            lambda rows: outputs(parts.tail, inputs, rows, phase.settings.batch_size),
            lambda: base_to_onnx(parts.base, self.base.name),
            {weight.path: np.asarray(weight) for weight in parts.base.weights},
        )

    def _fine_tune(
        self, model: keras.Model, chosen: ChosenRows, checkpoint: Path, board: Path
    ) -> None:
        """Train until the phase ends, from the checkpoint on."""
        progress, settings = read_progress(checkpoint), self.head_phase.settings
        if PHASE in progress.finished:
            return
        epochs, done = settings.fine_tune_epochs, progress.epochs_of(PHASE)
        compile_model(model, settings.fine_tune_learning_rate, settings.weight_decay)
        variables = [*model.variables, *model.optimizer.variables] if done else model.variables
        restore(progress.latest(checkpoint) if done else progress.best(checkpoint), variables)
        if done:
            log.info("%s phase resumes after epoch %d", PHASE, len(progress.history))
        train, val = (self._dataset(rows) for rows in chosen)
        seed, size = self.head_phase.seed, settings.batch_size
        model.fit(
            batches(train, size, seed, len(progress.history)),
            validation_data=batches(val, size),
            initial_epoch=done,
            epochs=epochs,
            callbacks=[Checkpointer(PHASE, epochs, settings.patience, checkpoint, board)],
            shuffle=False,
            verbose=0,
        )

    def _split(self) -> SplitBackbone:
        """The base, split; ThawError unless its weights are those of the embeddings."""
        settings, features = self.head_phase.settings, self.head_phase.features
        parts = split_backbone(self.base, settings.freeze_till, settings.pooling)
        weights = {"weights": parts.info.weights}
        check_fingerprint(weights, features.fingerprint, "data/embeddings and data/features")
        return parts

    def _inputs(self) -> np.ndarray:
        """The activations at the cut. Raises ThawError if there are none."""
        activations = self.head_phase.features.activations
        if activations is None:
            raise ThawError(
                "data/features must have activations for the fine-tuning phase, but has none: "
                "delete it and run `dvc repro`"
            )
        return activations

    def _dataset(self, rows: np.ndarray) -> ArrayDataset:
        labels = self.head_phase.features.rows["label"].iloc[rows]
        return ArrayDataset(self._inputs(), rows, class_indices(labels, self.head_phase.classes))


def outputs(model: keras.Model, inputs: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """What the model makes of rows, int (N,), of the inputs; float32 (N, …)."""
    unlabelled = ArrayDataset(inputs, rows, np.zeros(len(rows), np.int64))
    return np.asarray(model.predict(batches(unlabelled, size), verbose=0))


def compile_model(model: keras.Model, learning_rate: float, weight_decay: float) -> None:
    """Compile a model and create its optimiser's variables.

    Loss: sparse categorical cross-entropy. Optimiser: Adam (Kingma & Ba 2015) with decoupled
    weight decay (Loshchilov & Hutter 2019).
    """
    model.compile(
        Adam(learning_rate, weight_decay=weight_decay or None),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
