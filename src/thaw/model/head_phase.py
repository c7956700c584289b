"""Train the head on embeddings, which is all of training where the entire base is frozen."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from thaw.features.adam_head import PHASE, AdamSettings, judge, train_head
from thaw.features.embedded import Embedded
from thaw.features.head import DenseHead
from thaw.features.linear_head import solve
from thaw.features.progress import (
    Progress,
    read_arrays,
    read_progress,
    write_arrays,
    write_progress,
)
from thaw.features.stored import ChosenRows, Features
from thaw.model.epoch_report import EpochReport, tensorboard_folder
from thaw.params import Train

log = logging.getLogger("thaw")


@dataclass(frozen=True)
class Trained:
    """A head, with the tail that was trained with it, if there is one, at their best epoch."""

    head: DenseHead
    progress: Progress
    trainable_parameters: int
    embed: Callable[[np.ndarray], np.ndarray]  # rows, int (N,) → what the head gets, (N, V)
    base_onnx: Callable[[], bytes]  # see `thaw.model.to_onnx.base_to_onnx`
    base_weights: dict[str, np.ndarray] = field(default_factory=dict)  # empty if it is frozen

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Rows, int (N,) → probabilities, float32 (N, classes)."""
        return self.head.probabilities(self.embed(rows))


class Trainer(Protocol):
    """Trains on the rows chosen of the same embeddings and activations."""

    def run(self, chosen: ChosenRows, name: str = "") -> Trained:
        """Train, resuming a killed run. name: of the run in logs and checkpoints, if several."""


@dataclass(frozen=True)
class HeadPhase:
    """Trains heads on embeddings, the entire base being frozen; its ONNX is the file `base`.

    seed: of initial weights, shuffling and dropout. checkpoint: a directory; a killed run resumes
    from it with the same result.
    """

    features: Features
    classes: list[str]
    settings: Train
    seed: int
    checkpoint: Path
    base: Path

    def run(self, chosen: ChosenRows, name: str = "") -> Trained:
        """Train a head, with Adam or by solving it."""
        board = tensorboard_folder() / name
        head, progress = self.train(chosen, self.checkpoint / name, board)
        log.info("best epoch: %d, validation loss %.4f", progress.best_epoch, progress.best_loss)
        embed = self.features.embeddings.__getitem__
        return Trained(head, progress, head.parameters, embed, self.base.read_bytes)

    def train(
        self, chosen: ChosenRows, checkpoint: Path, board: Path
    ) -> tuple[DenseHead, Progress]:
        """The head of the best epoch by validation loss, and the progress."""
        train, val = (self._embedded(rows) for rows in chosen)
        if self.settings.head_solver == "lbfgs":
            return solve_head(train, val, checkpoint)
        settings = AdamSettings.of(self.settings, self.seed)
        sizes = [train.embeddings.shape[1], *settings.hidden_units, len(self.classes)]
        head = DenseHead.initial(sizes, self.seed)
        progress = read_progress(checkpoint)
        with closing(EpochReport(PHASE, settings.epochs, progress, board)) as report:
            return train_head(head, train, val, settings, checkpoint, report.add)

    def _embedded(self, rows: np.ndarray) -> Embedded:
        features = self.features
        return Embedded.of(features.embeddings[rows], features.rows.iloc[rows], self.classes)


def solve_head(train: Embedded, val: Embedded, checkpoint: Path) -> tuple[DenseHead, Progress]:
    """Solve the head, which counts as one epoch of the head phase.

    Its strength is chosen by cross-validation over the folds of the training images.
    """
    progress = read_progress(checkpoint)
    if progress.history:
        return DenseHead(read_arrays(progress.best(checkpoint))), progress
    head, strength = solve(train)
    log.info("the head is solved: its strength C is %g", strength)
    losses = judge(head, train) | {f"val_{name}": v for name, v in judge(head, val).items()}
    progress.add(PHASE, losses)
    progress.finish(PHASE, epochs=1, patience=1)
    for path in (progress.best(checkpoint), progress.latest(checkpoint)):
        write_arrays(path, head.weights)
    write_progress(checkpoint, progress)
    return head, progress
