"""Train on cached activations: first the head, then head and tail; return the best epoch."""

import itertools
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from thaw.errors import ThawError
from thaw.features.adam_head import batch_orders
from thaw.features.embedded import Embedded, class_indices, log_losses
from thaw.features.linear_head import LinearHead, solve
from thaw.features.stored import Features
from thaw.files import atomic_write, write_json
from thaw.model.checkpoint import (
    Checkpointer,
    Progress,
    read_arrays,
    read_progress,
    write_arrays,
    write_progress,
)
from thaw.model.freeze import trainable_parameters
from thaw.model.network import SplitBackbone
from thaw.params import Train
from thaw.paths import LOGS

log = logging.getLogger("thaw")

# Rows of embeddings and activations to train on, and to choose the best epoch on: int (N,), (M,).
ChosenRows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ArrayDataset:
    """Rows of an array, and their labels.

    inputs: (M, …); may be memory-mapped, only the rows of a batch are read. rows: int (N,),
    indices into `inputs`. labels: int (N,).
    """

    inputs: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Phase:
    """The head phase or the fine-tuning phase: its model, data and learning rate."""

    name: str
    model: keras.Model
    train: ArrayDataset
    val: ArrayDataset
    epochs: int
    learning_rate: float


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
class Trainer:
    """Trains networks on the rows chosen of the same embeddings and activations.

    seed: for shuffling. checkpoint: a directory; a killed run resumes from it with the same
    result. To get the same digits each time, call
    `tf.config.experimental.enable_op_determinism` first.
    """

    features: Features
    classes: list[str]
    settings: Train
    seed: int
    checkpoint: Path

    def run(
        self, parts: SplitBackbone, head: keras.Model, chosen: ChosenRows, name: str = ""
    ) -> tuple[Phase, Progress]:
        """Train head and tail, and restore their best epoch; return the last phase.

        name: of the folder in `checkpoint` and in TensorBoard's, if there are several networks.
        """
        phases = plan_phases(parts, head, self.features, self.classes, self.settings, chosen)
        checkpoint, board = self.checkpoint / name, tensorboard_folder() / name
        if self.settings.head_solver == "lbfgs":
            solve_head(phases, self.features, self.classes, checkpoint)
        return phases[-1], train(phases, self.settings, self.seed, checkpoint, board)


def plan_phases(
    parts: SplitBackbone,
    head: keras.Model,
    features: Features,
    classes: list[str],
    settings: Train,
    chosen: ChosenRows,
) -> list[Phase]:
    """The head phase and, if the tail has trainable weights, the fine-tuning phase.

    The head phase trains on the embeddings, because everything before the head is frozen. The
    fine-tuning phase trains tail and head on the activations at the cut.
    """

    def phase(name: str, model: keras.Model, inputs: np.ndarray, epochs: int, rate: float) -> Phase:
        train, val = (dataset_of(inputs, features.rows, classes, rows) for rows in chosen)
        return Phase(name, model, train, val, epochs, rate)

    head_model = keras.Model(head.input, head.output)  # `head` itself is saved, so never compiled
    phases = [
        phase(
            "head",
            head_model,
            features.embeddings,
            settings.head_epochs,
            settings.head_learning_rate,
        )
    ]
    tail, activations = parts.tail, features.activations
    if tail is not None and tail.trainable_weights:
        if activations is None:
            raise ThawError(
                "data/features must have activations for the fine-tuning phase, but has none: "
                "delete it and run `dvc repro`"
            )
        full = keras.Model(tail.input, head(tail.output))
        epochs, rate = settings.fine_tune_epochs, settings.fine_tune_learning_rate
        phases.append(phase("fine-tuning", full, activations, epochs, rate))
    return phases


def dataset_of(
    inputs: np.ndarray, rows: pd.DataFrame, classes: list[str], chosen: np.ndarray
) -> ArrayDataset:
    """The chosen rows, int (N,), with labels as indices into `classes`."""
    return ArrayDataset(inputs, chosen, class_indices(rows["label"].iloc[chosen], classes))


def train(
    phases: list[Phase], settings: Train, seed: int, checkpoint: Path, board: Path
) -> Progress:
    """Train the phases in turn and restore the weights of the best epoch, by validation loss.

    board: a directory for TensorBoard. Loss: sparse categorical cross-entropy. Optimiser: Adam
    (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019). Raises ThawError at
    the first loss that is not finite.
    """
    checkpoint.mkdir(parents=True, exist_ok=True)
    full = phases[-1].model  # the models of earlier phases are parts of it
    for phase in phases:
        progress = read_progress(checkpoint)
        if phase.epochs == 0 or phase.name in progress.finished:
            continue
        compile_phase(phase, settings.weight_decay)
        done = progress.epochs_of(phase.name)
        if done:
            latest = [*phase.model.variables, *phase.model.optimizer.variables]
            read_arrays(progress.latest(checkpoint), latest)
            log.info("%s phase resumes after epoch %d", phase.name, len(progress.history))
        elif progress.history:
            read_arrays(progress.best(checkpoint), full.variables)
        phase.model.fit(
            batches(phase.train, settings.batch_size, seed, len(progress.history)),
            validation_data=batches(phase.val, settings.batch_size),
            initial_epoch=done,
            epochs=phase.epochs,
            callbacks=[
                Checkpointer(phase.name, phase.epochs, settings.patience, full, checkpoint),
                keras.callbacks.TensorBoard(board / phase.name, write_graph=False),
            ],
            shuffle=False,
            verbose=0,
        )
    progress = read_progress(checkpoint)
    read_arrays(progress.best(checkpoint), full.variables)
    log.info("best epoch: %d, validation loss %.4f", progress.best_epoch, progress.best_loss)
    return progress


def predict(phase: Phase, rows: np.ndarray, size: int) -> np.ndarray:
    """Probabilities of rows, int (N,), of the phase's inputs; float32 (N, C)."""
    unlabelled = ArrayDataset(phase.train.inputs, rows, np.zeros(len(rows), np.int64))
    return np.asarray(phase.model.predict(batches(unlabelled, size), verbose=0))


def solve_head(
    phases: list[Phase], features: Features, classes: list[str], checkpoint: Path
) -> None:
    """Solve the head in place of the head phase, which then counts as finished, after one epoch.

    Its strength is chosen by cross-validation over the folds of the training images. `train` goes
    on from there.
    """
    phase, full = phases[0], phases[-1].model
    if read_progress(checkpoint).history:
        return
    rows = phase.train.rows
    solved = solve(Embedded.of(features.embeddings[rows], features.rows.iloc[rows], classes))
    log.info("the head is solved: its strength C is %g", solved.strength)
    phase.model.get_layer("softmax").set_weights([solved.kernel, solved.bias])
    losses = judge(solved, phase.train) | {
        f"val_{name}": value for name, value in judge(solved, phase.val).items()
    }
    history = [{"phase": phase.name, "epoch": 1, **losses}]
    progress = Progress(history, 1, losses["val_loss"], [phase.name])
    for path in (progress.best(checkpoint), progress.latest(checkpoint)):
        write_arrays(path, full.variables)
    write_progress(checkpoint, progress)


def judge(head: LinearHead, dataset: ArrayDataset) -> dict[str, float]:
    """Loss, cross-entropy, and accuracy of a solved head on embeddings."""
    found = head.probabilities(dataset.inputs[dataset.rows])
    accuracy = np.mean(found.argmax(axis=1) == dataset.labels)
    return {"loss": float(log_losses(found, dataset.labels).mean()), "accuracy": float(accuracy)}


def tensorboard_folder() -> Path:
    """The folder of this run's logs, named after the DVC experiment, if it is one, and the time.

    It is in the repository of the user, which DVC_ROOT names where a copy of it runs: in DVC's
    queue and in sweeps.
    """
    started = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    experiment = os.environ.get("DVC_EXP_NAME")
    logs = Path(os.environ.get("DVC_ROOT", "")) / LOGS
    return logs / "tensorboard" / (f"{experiment}_{started}" if experiment else started)


def compile_phase(phase: Phase, weight_decay: float) -> None:
    """Compile the model of a phase and create its optimiser's variables."""
    model = phase.model
    model.compile(
        Adam(phase.learning_rate, weight_decay=weight_decay or None),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def write_result(
    folder: Path,
    progress: Progress,
    parts: SplitBackbone,
    model: keras.Model,
    fingerprint: dict[str, Any],
) -> None:
    """Write history.csv, one row per epoch, and best.json about the best epoch."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        pd.DataFrame(progress.history).to_csv(temporary / "history.csv", index=False)
        best = progress.history[progress.best_epoch - 1] | {
            "cut": parts.cut,
            "freeze_till": parts.freeze_till,
            "trainable_parameters": trainable_parameters(model),
            "features": fingerprint,
        }
        write_json(temporary / "best.json", best)
