"""The head phase: train a head on embeddings with Adam, in NumPy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from thaw.features.embedded import Embedded, log_losses
from thaw.features.head import DenseHead
from thaw.features.progress import (
    Progress,
    check_finite,
    read_arrays,
    read_progress,
    write_arrays,
    write_progress,
)
from thaw.params import Train

PHASE = "head"
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults


def batch_orders(count: int, size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The rows of each batch of an epoch, sorted; they depend only on the seed and the epoch."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    for start in range(0, count, size):
        yield np.sort(order[start : start + size])


@dataclass
class Adam:
    """Kingma & Ba (2015), with decoupled weight decay (Loshchilov & Hutter 2019), as in Keras."""

    learning_rate: float
    weight_decay: float
    steps: int = 0
    first: list[np.ndarray] = field(default_factory=list)
    second: list[np.ndarray] = field(default_factory=list)

    def update(self, weights: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        """Update the weights in place."""
        if not self.first:
            self.first, self.second = ([np.zeros_like(x) for x in weights] for _ in range(2))
        self.steps += 1
        correction = np.sqrt(1 - BETA2**self.steps) / (1 - BETA1**self.steps)
        rate = np.float32(self.learning_rate * correction)
        decay = np.float32(1 - self.weight_decay * self.learning_rate)
        for weight, gradient, first, second in zip(
            weights, gradients, self.first, self.second, strict=True
        ):
            first += np.float32(1 - BETA1) * (gradient - first)
            second += np.float32(1 - BETA2) * (gradient * gradient - second)
            weight *= decay
            weight -= rate * first / (np.sqrt(second) + np.float32(EPSILON))


@dataclass(frozen=True)
class AdamSettings:
    """Those of the head phase, and the seed of its shuffling and dropout."""

    hidden_units: list[int]
    dropout: float
    epochs: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    patience: int
    seed: int

    @classmethod
    def of(cls, train: Train, seed: int) -> "AdamSettings":
        """Those in params.yaml."""
        return cls(
            train.hidden_units,
            train.dropout,
            train.head_epochs,
            train.head_learning_rate,
            train.weight_decay,
            train.batch_size,
            train.patience,
            seed,
        )


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in `thaw.features.linear_head`
def train_head(
    head: DenseHead,
    train: Embedded,
    val: Embedded,
    settings: AdamSettings,
    checkpoint: Path | None = None,
    after_epoch: Callable[[Progress], None] = lambda progress: None,
) -> tuple[DenseHead, Progress]:
    """Train `head` in place; return that of the best epoch by loss on `val`, and the progress.

    checkpoint: a directory; a killed run resumes from it with the same result. after_epoch: gets
    the progress after each epoch that this run trains. Raises ThawError at the first loss that is
    not finite.
    """
    optimiser = Adam(settings.learning_rate, settings.weight_decay)
    progress, best = Progress(), head
    if checkpoint and (found := read_progress(checkpoint)).history:
        progress, best = found, DenseHead(read_arrays(found.best(checkpoint)))
        _restore(read_arrays(found.latest(checkpoint)), head, optimiser)
    while PHASE not in progress.finished:
        with np.errstate(over="ignore", invalid="ignore"):  # the loss is checked
            losses = run_epoch(head, optimiser, train, settings, len(progress.history))
        losses |= {f"val_{name}": value for name, value in judge(head, val).items()}
        if progress.add(PHASE, losses):
            best = head.copy()
            if checkpoint:
                write_arrays(progress.best(checkpoint), best.weights)
        progress.finish(PHASE, settings.epochs, settings.patience)
        if checkpoint:
            steps = np.array(optimiser.steps)
            latest = [*head.weights, *optimiser.first, *optimiser.second, steps]
            write_arrays(progress.latest(checkpoint), latest)
            write_progress(checkpoint, progress)
        after_epoch(progress)
    return best, progress


def _restore(latest: list[np.ndarray], head: DenseHead, optimiser: Adam) -> None:
    """Set the state that `train_head` wrote."""
    *arrays, steps = latest
    each = len(head.weights)
    head.weights[:], optimiser.first = arrays[:each], arrays[each : 2 * each]
    optimiser.second, optimiser.steps = arrays[2 * each :], int(steps)


def run_epoch(
    head: DenseHead, optimiser: Adam, train: Embedded, settings: AdamSettings, epoch: int
) -> dict[str, float]:
    """Train `head` in place for an epoch, counted from 0; the loss and accuracy it had meanwhile.

    The order of the rows and the dropout depend only on the seed and the epoch.
    """
    rng = np.random.default_rng([settings.seed, epoch, 1])
    count = len(train.labels)
    loss = hits = 0.0
    orders = batch_orders(count, settings.batch_size, settings.seed, epoch)
    for step, rows in enumerate(orders, start=1):
        shape = (len(rows), len(head.weights[-2]))
        kept = rng.random(shape, np.float32) >= settings.dropout
        dropped = kept / np.float32(1 - settings.dropout)
        labels = train.labels[rows]
        found, gradients = head.gradients(train.embeddings[rows], labels, dropped)
        total = float(log_losses(found, labels).sum())
        check_finite(total, "training", PHASE, epoch + 1, step)
        loss, hits = loss + total, hits + (found.argmax(axis=1) == labels).sum()
        optimiser.update(head.weights, gradients)
    return {"loss": loss / count, "accuracy": float(hits / count)}


def judge(head: DenseHead, data: Embedded) -> dict[str, float]:
    """Loss, cross-entropy, and accuracy of a head on embeddings."""
    found = head.probabilities(data.embeddings)
    accuracy = np.mean(found.argmax(axis=1) == data.labels)
    return {"loss": float(log_losses(found, data.labels).mean()), "accuracy": float(accuracy)}
