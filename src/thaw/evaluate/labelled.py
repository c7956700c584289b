"""Measure answers to images with known labels, counted one by one."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import precision_recall_fscore_support

from thaw.errors import ThawError, listing
from thaw.evaluate.metrics import share
from thaw.evaluate.mistakes import confused_pairs

MOST_CLASSES = 12  # that a confusion matrix shows
PAIRS = 10  # of the most confused


class LabelledAnswers:
    """Counts of answers by true label. labels: the classes of the bundle."""

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels
        self._index = {label: k for k, label in enumerate(labels)}
        # Answers given, and those left to a person: true class by answered class.
        self._counts = np.zeros((2, len(labels), len(labels)), np.int64)
        self._failed = 0
        self._others: dict[str | None, int] = {}

    def add(self, truth: str | None, answer: str | None, abstains: bool) -> None:
        """Count an image; answer: None if it could not be decoded."""
        if truth not in self._index:
            self._others[truth] = self._others.get(truth, 0) + 1
        elif answer is None:
            self._failed += 1
        else:
            self._counts[int(abstains), self._index[truth], self._index[answer]] += 1

    def report(self) -> dict[str, Any]:
        """Accuracy of all answers and of those given, per class, confusion, and what was left out.

        confusion: true class by answered class. Raises ThawError if no image has a true label
        among the classes.
        """
        confusion = self._counts.sum(axis=0)
        if not confusion.any():
            found = listing(str(label) for label in self._others)
            raise ThawError(
                f"true labels must be among the classes {listing(self.labels)}, but are {found}: "
                "name the folders so, or give a CSV with `--labels`"
            )
        return {
            "n": int(confusion.sum()),
            "accuracy": _accuracy(confusion),
            "abstained": int(self._counts[1].sum()),
            "accuracy_of_given": _accuracy(self._counts[0]) if self._counts[0].any() else None,
            "classes": self._per_class(confusion),
            "confusion": confusion.tolist(),
            "confused": self._confused(confusion),
            "failed": self._failed,
            "without_label": sum(self._others.values()),
        }

    def _per_class(self, confusion: np.ndarray) -> dict[str, dict[str, float]]:
        truth, answers = np.indices(confusion.shape).reshape(2, -1)
        columns = precision_recall_fscore_support(
            truth,
            answers,
            labels=range(len(self.labels)),
            sample_weight=confusion.ravel(),
            zero_division=0,
        )
        names = ("precision", "recall", "f1")
        return {
            label: dict(zip(names, map(float, values), strict=True)) | {"support": int(support)}
            for label, *values, support in zip(self.labels, *columns, strict=True)
        }

    def _confused(self, confusion: np.ndarray) -> list[dict[str, Any]]:
        """The most frequent errors: truth, answer and how many images."""
        pairs = confused_pairs(confusion, self.labels)[:PAIRS]
        return [{"truth": t, "answer": a, "images": images} for t, a, images, _ in pairs]


def _accuracy(confusion: np.ndarray) -> dict[str, float]:
    right = int(np.trace(confusion))
    return share(np.arange(confusion.sum()) < right)


def as_text(report: dict[str, Any]) -> str:
    """A report as tables of text."""
    console = Console(width=100, no_color=True, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(f"accuracy {_shown(report['accuracy'])} on {report['n']:,} images")
        if report["abstained"] and report["accuracy_of_given"]:
            given = report["n"] - report["abstained"]
            console.print(
                f"{report['abstained']:,} left to a person; accuracy of the other {given:,}: "
                f"{_shown(report['accuracy_of_given'])}"
            )
        for what in ("failed", "without_label"):
            if report[what]:
                console.print(f"left out, {what.replace('_', ' ')}: {report[what]:,}")
        console.print(_class_table(report))
        for pair in report["confused"]:
            console.print(f"{pair['truth']} taken for {pair['answer']}: {pair['images']:,}")
    return captured.get()


def _shown(share: dict[str, float]) -> str:
    return f"{share['value']:.4f} (95 % interval {share['low']:.4f} to {share['high']:.4f})"


def _class_table(report: dict[str, Any]) -> Table:
    """One row for each class: its metrics, and its row of the confusion matrix if that fits."""
    labels = list(report["classes"])
    shown = labels if len(labels) <= MOST_CLASSES else []
    table = Table("true class", "precision", "recall", "F1", "images", *(f"as {k}" for k in shown))
    for label, row in zip(labels, report["confusion"], strict=True):
        found = report["classes"][label]
        scores = [f"{found[name]:.4f}" for name in ("precision", "recall", "f1")]
        counts = map(str, row) if shown else ()
        table.add_row(label, *scores, str(found["support"]), *counts)
    return table
