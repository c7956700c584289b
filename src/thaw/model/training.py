"""Training on cached activations: first the head, then head and tail; the best epoch stays."""

import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from thaw.errors import ThawError
from thaw.files import whole, write_json
from thaw.frozen.features import Features
from thaw.model.freeze import trainable_parameters
from thaw.model.network import Parts
from thaw.params import Train

log = logging.getLogger("thaw")


@dataclass(frozen=True)
class Examples:
    """Which rows of `inputs` are used, int (N,), and their labels, int (N,).

    `inputs` may be memory-mapped: only the rows of a batch are read.
    """

    inputs: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own model, examples and learning rate."""

    name: str
    model: keras.Model
    train: Examples
    val: Examples
    epochs: int
    learning_rate: float


@dataclass
class Progress:
    """How far training has come; written after each epoch, so that a killed run continues."""

    history: list[dict[str, Any]] = field(default_factory=list)  # one entry an epoch
    best_epoch: int = 0
    best_loss: float = float("inf")
    finished: list[str] = field(default_factory=list)  # names of the phases that ended

    def epochs_of(self, phase: str) -> int:
        """Epochs that this phase has had."""
        return sum(entry["phase"] == phase for entry in self.history)


def batches(
    examples: Examples, size: int, seed: int | None = None, epoch: int = 0
) -> tf.data.Dataset:
    """Batches, each time in another order when there is a seed.

    The order depends only on the seed and the epoch, counted from `epoch`, so that runs can resume.
    """
    count = len(examples.labels)
    kind = np.uint8 if examples.inputs.dtype == np.uint8 else np.float32
    epochs = itertools.count(epoch)

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.arange(count)
        if seed is not None:
            order = np.random.default_rng([seed, next(epochs)]).permutation(count)
        for start in range(0, count, size):
            chosen = np.sort(order[start : start + size])
            inputs = examples.inputs[examples.rows[chosen]]
            yield inputs.astype(kind, copy=False), examples.labels[chosen]

    signature = (
        tf.TensorSpec((None, *examples.inputs.shape[1:]), kind),
        tf.TensorSpec((None,), tf.int64),
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread holds up the end of an epoch, often for seconds
    dataset = tf.data.Dataset.from_generator(read, output_signature=signature).prefetch(2)
    steps = tf.data.experimental.assert_cardinality(-(-count // size))
    return dataset.apply(steps).with_options(options)


class Adam(keras.optimizers.Adam):
    """Keras' Adam with TensorFlow's single operation for a variable's step.

    The same values but for rounding. Keras writes the step out in fifteen operations, for as many
    variables as a network has, and half of the time before the first step goes into them.
    """

    def apply(
        self, grads: list[tf.Tensor], trainable_variables: list[keras.Variable] | None = None
    ) -> None:
        """Update the variables in place."""
        step = tf.cast(self.iterations.value + 1, tf.float32)
        betas = tf.constant(self.beta_1), tf.constant(self.beta_2)
        self._of_this_step = (*[beta**step for beta in betas], *betas, tf.constant(self.epsilon))
        super().apply(grads, trainable_variables)

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Update `variable` and its two moments in place."""
        index = self._get_variable_index(variable)
        beta1_power, beta2_power, beta1, beta2, epsilon = self._of_this_step
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


class Keeper(keras.callbacks.Callback):
    """After each epoch: refuse a non-finite loss, note the history, keep the best and the latest.

    Ends the phase after `patience` epochs without a better validation loss.
    """

    def __init__(
        self,
        phase: Phase,
        whole_model: keras.Model,
        progress: Progress,
        folder: Path,
        patience: int,
    ):
        super().__init__()
        self.phase, self.whole_model, self.patience = phase, whole_model, patience
        self.progress, self.folder = progress, folder
        done = progress.epochs_of(phase.name)
        self.bar = tqdm(total=phase.epochs, initial=done, desc=phase.name, unit="epoch")

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Stop at once when the loss is no longer a number."""
        if not np.isfinite(logs["loss"]):
            epoch = len(self.progress.history) + 1
            raise ThawError(
                f"the training loss must stay finite, but is {logs['loss']} at epoch {epoch}, "
                f"step {batch + 1}: lower the learning rate of this phase ({self.phase.name})"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Record the epoch and write what a later run needs to go on from here."""
        progress = self.progress
        values = {key: float(logs[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        number = len(progress.history) + 1
        if not np.isfinite(values["val_loss"]):
            raise ThawError(
                f"the validation loss must stay finite, but is {values['val_loss']} at epoch "
                f"{number}: lower the learning rate of this phase ({self.phase.name})"
            )
        progress.history.append({"phase": self.phase.name, "epoch": number, **values})
        if values["val_loss"] < progress.best_loss:
            progress.best_loss, progress.best_epoch = values["val_loss"], number
            write_arrays(self.folder / "best.npz", self.whole_model.variables)
        latest = [*self.model.variables, *self.model.optimizer.variables]
        write_arrays(self.folder / "latest.npz", latest)
        if number - max(progress.best_epoch, number - epoch - 1) >= self.patience:
            self.model.stop_training = True
        if self.model.stop_training or epoch + 1 == self.phase.epochs:
            progress.finished.append(self.phase.name)
        write_progress(self.folder, progress)
        self.bar.set_postfix({key: f"{value:.4f}" for key, value in values.items()})
        self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the progress bar."""
        self.bar.close()


def write_arrays(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Write the values of `variables`, in order."""
    with whole(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, *[keras.ops.convert_to_numpy(variable) for variable in variables])


def read_arrays(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Give `variables` the values that `write_arrays` wrote for them."""
    with np.load(path) as arrays:
        for index, variable in enumerate(variables):
            variable.assign(arrays[f"arr_{index}"])


def write_progress(folder: Path, progress: Progress) -> None:
    """Write `progress` into `folder`."""
    with whole(folder / "progress.json") as temporary:
        temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")


def read_progress(folder: Path) -> Progress:
    """What an earlier run left in `folder`, or a fresh start."""
    path = folder / "progress.json"
    return Progress(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Progress()


def fit(
    phase: Phase,
    full: keras.Model,
    progress: Progress,
    folder: Path,
    settings: Train,
    seed: int,
    board: Path,
) -> None:
    """Train one phase from where `progress` stands; the best weights so far land in `folder`."""
    done = progress.epochs_of(phase.name)
    if phase.name in progress.finished or phase.epochs == 0:
        return
    model = phase.model
    model.compile(
        Adam(phase.learning_rate, weight_decay=settings.weight_decay or None),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    # Metrics build themselves at their first use, and TensorFlow would trace a step twice for it.
    model.compute_metrics(None, np.zeros(1), np.zeros((1, *model.output_shape[1:])))
    model.reset_metrics()
    if done:
        read_arrays(folder / "latest.npz", [*model.variables, *model.optimizer.variables])
        log.info("%s continues after epoch %d", phase.name, len(progress.history))
    elif progress.history:
        read_arrays(folder / "best.npz", full.variables)
    model.fit(
        batches(phase.train, settings.batch_size, seed, len(progress.history)),
        validation_data=batches(phase.val, settings.batch_size),
        initial_epoch=done,
        epochs=phase.epochs,
        callbacks=[
            Keeper(phase, full, progress, folder, settings.patience),
            keras.callbacks.TensorBoard(board / phase.name, write_graph=False),
        ],
        shuffle=False,
        verbose=0,
    )


def train(
    parts: Parts,
    head: keras.Model,
    features: Features,
    classes: list[str],
    settings: Train,
    seed: int,
    folder: Path,
) -> Progress:
    """Train `head`, then `head` and `parts.stem`, and leave the best epoch's weights in them.

    While only the head learns, it learns from the pooled vectors, since all that precedes it is
    frozen. Where nothing else can learn there is no second phase. A killed run leaves in `folder`
    how far it came; one with the same folder continues it, and ends as if it had not been killed.
    Loss: sparse categorical cross-entropy; optimiser: Adam (Kingma & Ba 2015), with decoupled
    weight decay (Loshchilov & Hutter 2019). Raises ThawError at the first loss that is not finite.
    """
    tf.config.experimental.enable_op_determinism()
    folder.mkdir(parents=True, exist_ok=True)
    board = Path("logs/tensorboard") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    progress = read_progress(folder)

    def phase(name: str, model: keras.Model, inputs: np.ndarray, epochs: int, rate: float) -> Phase:
        rows = [_examples(inputs, features.rows, classes, split) for split in ("train", "val")]
        return Phase(name, model, rows[0], rows[1], epochs, rate)

    alone = keras.Model(head.input, head.output)  # compiled in place of `head`, which is saved
    phases = [
        phase("head", alone, features.pooled, settings.head_epochs, settings.head_learning_rate)
    ]
    full = head
    if parts.stem is not None and features.activations is not None:
        full = keras.Model(parts.stem.input, head(parts.stem.output))
        if parts.stem.trainable_weights:
            epochs, rate = settings.epochs, settings.learning_rate
            phases.append(phase("head and tail", full, features.activations, epochs, rate))
    for each in phases:
        fit(each, full, progress, folder, settings, seed, board)
    read_arrays(folder / "best.npz", full.variables)
    log.info("best epoch: %d, validation loss %.4f", progress.best_epoch, progress.best_loss)
    return progress


def _examples(inputs: np.ndarray, rows: pd.DataFrame, classes: list[str], split: str) -> Examples:
    """The rows of one split, with labels as positions in `classes`."""
    chosen = np.flatnonzero(rows["split"] == split)
    indices = {label: index for index, label in enumerate(classes)}
    labels = rows["label"].iloc[chosen].map(indices).to_numpy(dtype=np.int64)
    return Examples(inputs, chosen, labels)


def write_result(
    folder: Path,
    progress: Progress,
    parts: Parts,
    model: keras.Model,
    made_with: dict[str, Any],
) -> None:
    """Write history.csv, one line an epoch, and best.json, what the kept epoch is."""
    with whole(folder) as temporary:
        temporary.mkdir()
        pd.DataFrame(progress.history).to_csv(temporary / "history.csv", index=False)
        best = progress.history[progress.best_epoch - 1]
        facts = {
            "cut": parts.cut,
            "freeze_till": parts.freeze_till,
            "trainable_parameters": trainable_parameters(model),
            "features": made_with,
        }
        write_json(temporary / "best.json", best | facts)
