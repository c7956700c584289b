"""Predict with the bundle, and store the table from which metrics and plots are made."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from thaw.data.tables import read_csv
from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained

HELD_OUT = ("val", "test")
COLUMNS = ["name", "label", "split", "predicted"]


class Answer(Protocol):
    """What the bundle says of an image, or of N images, with one more axis in front; float32."""

    @property
    def probabilities(self) -> np.ndarray:
        """(C,)."""

    @property
    def heatmaps(self) -> np.ndarray:
        """(C, h, w), not negative."""

    @property
    def unknown_score(self) -> np.ndarray:
        """(), the larger, the stranger; NaN from a bundle without."""

    @property
    def embedding(self) -> np.ndarray:
        """(V,); empty from a bundle without."""


class Predictor(Protocol):
    """The interface to a bundle. Passed in, because this package must not import serving."""

    labels: list[str]

    def decode(self, data: bytes) -> np.ndarray:
        """Encoded image → uint8 RGB (S, S, 3)."""

    def predict(self, images: np.ndarray) -> Answer:
        """Answers to images, uint8 (N, S, S, 3), stacked."""

    def predict_each(self, images: Iterable[bytes | ThawError]) -> Iterator[Answer | ThawError]:
        """The answer to each encoded image, in order, or the error of one that has none."""


@dataclass(frozen=True)
class Predictions:
    """True labels and predicted probabilities of N images over C classes."""

    labels: list[str]  # C class names, in the order of the bundle's outputs
    names: list[str]  # N
    split: np.ndarray  # str (N,), "val" or "test"
    truth: np.ndarray  # int64 (N,), indices into labels
    probabilities: np.ndarray  # float32 (N, C)
    unknown_scores: np.ndarray | None = None  # float32 (N,); None from a bundle without

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,): the most probable class, the first of equals, as in serving."""
        return self.probabilities.argmax(axis=1)

    def subset(self, split: str) -> "Predictions":
        """The images of one split. Raises ThawError if a class has none."""
        here = self.split == split
        missing = [c for k, c in enumerate(self.labels) if k not in self.truth[here]]
        if missing:
            raise ThawError(
                f"{split} must contain every class, but has no image of "
                f"{', '.join(missing)}: add images or raise split.{split}"
            )
        names = [name for name, chosen in zip(self.names, here, strict=True) if chosen]
        scores = None if self.unknown_scores is None else self.unknown_scores[here]
        arrays = (self.split[here], self.truth[here], self.probabilities[here])
        return Predictions(self.labels, names, *arrays, scores)

    def table(self) -> pd.DataFrame:
        """Columns name, label, split, predicted, p_<class> for each class, and unknown_score."""
        labels = np.array(self.labels, dtype=object)
        values = (self.names, labels[self.truth], self.split, labels[self.predicted])
        table = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
        classes = [f"p_{label}" for label in self.labels]
        table = table.join(pd.DataFrame(self.probabilities, columns=classes))
        if self.unknown_scores is not None:
            table["unknown_score"] = self.unknown_scores
        return table


def predict(
    predictor: Predictor, rows: Iterable[dict[str, Any]], split: Mapping[str, str]
) -> Predictions:
    """Predict the rows (name, label, bytes) of val and test.

    split: name → "train", "val", "test", or another word for an image that is not used. Raises
    ThawError, with the name of the image, if it cannot be decoded, for a label that the bundle
    does not have, and for a probability that is not finite.
    """
    total = sum(part in HELD_OUT for part in split.values())
    names, truth = [], []
    answers: list[Answer] = []

    def encoded() -> Iterator[bytes]:
        for row in rows:
            if split[row["name"]] in HELD_OUT:
                names.append(row["name"])
                truth.append(index_of(row["label"], predictor.labels))
                yield row["bytes"]

    with tqdm(total=total, desc="evaluate", unit="image", mininterval=1) as progress:
        for answer in predictor.predict_each(encoded()):
            if isinstance(answer, ThawError):
                raise ThawError(f"{names[len(answers)]}: {answer}")
            answers.append(answer)
            progress.update()
    if not names:
        raise ThawError("val and test must contain images, but are empty: add images")
    probabilities = np.stack([answer.probabilities for answer in answers])
    finite = np.isfinite(probabilities).all(axis=1)
    if not finite.all():
        first = names[int(np.argmin(finite))]
        raise ThawError(f"probabilities must be finite, but those of {first} are not: train again")
    scores = np.stack([answer.unknown_score for answer in answers])
    splits = np.array([split[name] for name in names], dtype=object)
    arrays = (splits, np.array(truth), probabilities)
    known = None if np.isnan(scores).any() else scores
    return Predictions(list(predictor.labels), names, *arrays, known)


def index_of(label: str, labels: list[str]) -> int:
    """The index of `label`. Raises ThawError if the bundle has no such class."""
    if label not in labels:
        raise ThawError(
            f"labels must be among the bundle's {', '.join(labels)}, but one is {label}: "
            "train and export again with `dvc repro`"
        )
    return labels.index(label)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the table as CSV; float32 values survive the round trip exactly."""
    with atomic_write(path) as temporary:
        predictions.table().to_csv(temporary, index=False, lineterminator="\n")


def read_predictions(path: Path) -> Predictions:
    """Read a file that `write_predictions` wrote."""
    table = read_csv(path, dict.fromkeys(COLUMNS, str))
    columns = [column for column in table.columns[len(COLUMNS) :] if column != "unknown_score"]
    labels = [column.removeprefix("p_") for column in columns]
    with damage_explained(path):
        return Predictions(
            labels,
            list(table["name"]),
            table["split"].to_numpy(dtype=object),
            np.array([labels.index(label) for label in table["label"]], dtype=np.int64),
            table[columns].to_numpy(np.float32),
            table["unknown_score"].to_numpy(np.float32) if "unknown_score" in table else None,
        )


def read_out_of_fold(path: Path, labels: list[str], split: str = "out-of-fold") -> Predictions:
    """Read a table of `thaw.experiments.out_of_fold`, of which there is at least one row.

    split: what its images are called.
    """
    table = read_csv(path, {"name": str, "label": str, "fold": int, "predicted": str})
    with damage_explained(path):
        return Predictions(
            labels,
            list(table["name"]),
            np.full(len(table), split, dtype=object),
            np.array([index_of(label, labels) for label in table["label"]]),
            table[[f"p_{label}" for label in labels]].to_numpy(np.float32),
        )
