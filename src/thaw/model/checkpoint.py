"""Save training after each epoch, so that a killed run resumes, and the best weights."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from thaw.features.progress import (
    check_finite,
    read_arrays,
    read_progress,
    write_arrays,
    write_progress,
)
from thaw.model.epoch_report import EpochReport


class Checkpointer(keras.callbacks.Callback):
    """Save the latest and the best weights after each epoch, and stop a phase early.

    phase, epochs: name and maximum length of the phase. patience: the phase ends after so many
    epochs without a lower validation loss. directory: a run with the same directory resumes from
    it. board: a directory for TensorBoard. Raises ThawError at the first loss that is not finite.
    """

    def __init__(
        self, phase: str, epochs: int, patience: int, directory: Path, board: Path
    ) -> None:
        super().__init__()
        self.phase, self.epochs, self.patience = phase, epochs, patience
        self.directory = directory
        self.progress = read_progress(directory)
        self.report = EpochReport(phase, epochs, self.progress, board)

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Raise ThawError at the first training loss that is not finite."""
        epoch = len(self.progress.history) + 1
        check_finite(logs["loss"], "training", self.phase, epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the state from which a later run resumes."""
        progress, model = self.progress, self.model
        losses = {key: float(logs[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        if progress.add(self.phase, losses):
            write_arrays(progress.best(self.directory), values(model.variables))
        latest = [*model.variables, *model.optimizer.variables]
        write_arrays(progress.latest(self.directory), values(latest))
        model.stop_training = progress.finish(self.phase, self.epochs, self.patience)
        write_progress(self.directory, progress)
        self.report.add(progress)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """End the report."""
        self.report.close()


def values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """The values of `variables`, in order."""
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def restore(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Assign to `variables` the values that were written for them."""
    for variable, array in zip(variables, read_arrays(path), strict=True):
        variable.assign(array)
