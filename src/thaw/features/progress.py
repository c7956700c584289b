"""The state of training after each epoch, from which a killed run resumes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained


@dataclass
class Progress:
    """The epochs of training so far, and the best of them by validation loss.

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

    def add(self, phase: str, losses: dict[str, float]) -> bool:
        """Add an epoch with its loss, accuracy, val_loss and val_accuracy; whether it is the best.

        Raises ThawError if the validation loss is not finite.
        """
        check_finite(losses["val_loss"], "validation", phase, len(self.history) + 1)
        self.history.append({"phase": phase, "epoch": len(self.history) + 1, **losses})
        is_best = losses["val_loss"] < self.best_loss
        if is_best:
            self.best_loss, self.best_epoch = losses["val_loss"], len(self.history)
        return is_best

    def finish(self, phase: str, epochs: int, patience: int) -> bool:
        """Whether the phase ends here, after `epochs` or after `patience` that were not better."""
        done = self.epochs_of(phase)
        stalled = len(self.history) - max(self.best_epoch, len(self.history) - done)
        if done == epochs or stalled >= patience:
            self.finished.append(phase)
        return phase in self.finished

    def best(self, directory: Path) -> Path:
        """The file with the variables of the best epoch."""
        return directory / f"best-{self.best_epoch}.npz"

    def latest(self, directory: Path) -> Path:
        """The file with the variables of the last epoch, and the optimiser's."""
        return directory / f"latest-{len(self.history)}.npz"


def check_finite(loss: float, which: str, phase: str, epoch: int, step: int = 0) -> None:
    """Raise ThawError unless the loss is finite. epoch and step: counted from 1."""
    if not np.isfinite(loss):
        where = f"epoch {epoch}, step {step}" if step else f"epoch {epoch}"
        raise ThawError(
            f"the {which} loss must be finite, but is {loss} at {where}: lower the learning rate "
            f"of the {phase} phase"
        )


def write_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write the arrays, in order."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, *arrays)


def read_arrays(path: Path) -> list[np.ndarray]:
    """Read what `write_arrays` wrote."""
    with damage_explained(path.parent), np.load(path) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays))]


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
