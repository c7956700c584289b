"""Save training after each epoch, so that a killed run resumes, and the best weights."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained


@dataclass
class Progress:
    """The state of training; written after each epoch.

    The files of its arrays have the number of their epoch in their names, so that a kill between
    two writes cannot leave a state with the arrays of another epoch.
    """

    history: list[dict[str, Any]] = field(default_factory=list)  # one entry per epoch
    best_epoch: int = 0
    best_loss: float = float("inf")  # validation loss
    finished: list[str] = field(default_factory=list)  # names of the phases that ended

    def epochs_of(self, phase: str) -> int:
        """Number of finished epochs of a phase."""
        return sum(entry["phase"] == phase for entry in self.history)

    def best(self, directory: Path) -> Path:
        """The file with the variables of the best epoch."""
        return directory / f"best-{self.best_epoch}.npz"

    def latest(self, directory: Path) -> Path:
        """The file with the variables of the last epoch, and the optimiser's."""
        return directory / f"latest-{len(self.history)}.npz"


class Checkpointer(keras.callbacks.Callback):
    """Save the latest and the best weights after each epoch, and stop a phase early.

    phase, epochs: name and maximum length of the phase. patience: the phase ends after so many
    epochs without a lower validation loss. full: the model whose best weights are saved; the
    model being trained may be a part of it. directory: a run with the same directory resumes
    from it. Raises ThawError at the first loss that is not finite.
    """

    def __init__(
        self, phase: str, epochs: int, patience: int, full: keras.Model, directory: Path
    ) -> None:
        super().__init__()
        self.phase, self.epochs, self.patience = phase, epochs, patience
        self.full, self.directory = full, directory
        self.progress = read_progress(directory)
        done = self.progress.epochs_of(phase)
        self.bar = tqdm(total=epochs, initial=done, desc=phase, unit="epoch")

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Raise ThawError at the first training loss that is not finite."""
        self._check("training", logs["loss"], f", step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the state from which a later run resumes."""
        progress = self.progress
        values = {key: float(logs[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        self._check("validation", values["val_loss"])
        number = len(progress.history) + 1
        progress.history.append({"phase": self.phase, "epoch": number, **values})
        if values["val_loss"] < progress.best_loss:
            progress.best_loss, progress.best_epoch = values["val_loss"], number
            write_arrays(progress.best(self.directory), self.full.variables)
        latest = [*self.model.variables, *self.model.optimizer.variables]
        write_arrays(progress.latest(self.directory), latest)
        if number - max(progress.best_epoch, number - epoch - 1) >= self.patience:
            self.model.stop_training = True
        if self.model.stop_training or epoch + 1 == self.epochs:
            progress.finished.append(self.phase)
        write_progress(self.directory, progress)
        self.bar.set_postfix({key: f"{value:.4f}" for key, value in values.items()})
        self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the progress bar."""
        self.bar.close()

    def _check(self, which: str, loss: float, where: str = "") -> None:
        if not np.isfinite(loss):
            epoch = len(self.progress.history) + 1
            raise ThawError(
                f"the {which} loss must be finite, but is {loss} at epoch {epoch}{where}: lower "
                f"the learning rate of the {self.phase} phase"
            )


def write_arrays(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Write the values of `variables`, in order."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, *[keras.ops.convert_to_numpy(variable) for variable in variables])


def read_arrays(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Assign to `variables` the values that `write_arrays` wrote for them."""
    with damage_explained(path.parent), np.load(path) as arrays:
        for index, variable in enumerate(variables):
            variable.assign(arrays[f"arr_{index}"])


def write_progress(directory: Path, progress: Progress) -> None:
    """Write `progress` into `directory`, and delete the arrays of other epochs."""
    with atomic_write(directory / "progress.json") as temporary:
        temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
    needed = (progress.best(directory), progress.latest(directory))
    for path in directory.glob("*.npz"):
        if path not in needed:
            path.unlink()


def read_progress(directory: Path) -> Progress:
    """Read the progress from `directory`; a new Progress if there is none.

    There is none, either, if an array is missing: a kill while the directory was being removed.
    """
    path = directory / "progress.json"
    if not path.exists():
        return Progress()
    with damage_explained(directory):
        progress = Progress(**json.loads(path.read_text(encoding="utf-8")))
    is_whole = progress.best(directory).exists() and progress.latest(directory).exists()
    return progress if is_whole else Progress()
