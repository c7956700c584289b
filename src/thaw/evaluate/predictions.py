"""What the bundle says of each image: the one table that metrics and plots are made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from thaw.errors import ThawError
from thaw.files import atomic_write
from thaw.parallel import batched

BATCH = 64  # images decoded at a time, which bounds memory
FACTS = ["name", "label", "split", "predicted"]


class Predictor(Protocol):
    """What is asked of whatever runs the bundle; see thaw.serving.predictor."""

    labels: list[str]

    def decode(self, data: bytes) -> np.ndarray:
        """Encoded image → uint8 RGB (S, S, 3)."""

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, S, S, 3) → probabilities (N, C) and heat maps (N, C, h, w), float32."""


@dataclass(frozen=True)
class Predictions:
    """Probabilities of N images over C classes, beside what is true."""

    labels: list[str]  # C class names, in the order of the bundle's outputs
    names: list[str]  # N
    split: np.ndarray  # str (N,), "val" or "test"
    truth: np.ndarray  # int64 (N,), indices into labels
    probabilities: np.ndarray  # float32 (N, C)

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,): the most probable class, the first of equals; what serving says too."""
        return self.probabilities.argmax(axis=1)

    def subset(self, split: str) -> "Predictions":
        """The images of one split; raises ThawError when a class has none."""
        here = self.split == split
        absent = [c for k, c in enumerate(self.labels) if k not in self.truth[here]]
        if absent:
            raise ThawError(
                f"{split} must hold an image of every class, but has none of "
                f"{', '.join(absent)}: add images or raise split.{split}"
            )
        names = [name for name, chosen in zip(self.names, here, strict=True) if chosen]
        return Predictions(
            self.labels, names, self.split[here], self.truth[here], self.probabilities[here]
        )

    def table(self) -> pd.DataFrame:
        """Columns name, label, split, predicted, and p_<class> for each class."""
        labels = np.array(self.labels, dtype=object)
        facts = (self.names, labels[self.truth], self.split, labels[self.predicted])
        table = pd.DataFrame(dict(zip(FACTS, facts, strict=True)))
        columns = [f"p_{label}" for label in self.labels]
        return table.join(pd.DataFrame(self.probabilities, columns=columns))


def predict(
    predictor: Predictor, rows: Iterable[dict[str, Any]], split: Mapping[str, str]
) -> Predictions:
    """Run the bundle over those rows (name, label, bytes) that `split` has in val or test.

    `split` maps a name to "train", "val" or "test". Raises ThawError for a label that the bundle
    does not know, and for a probability that is not finite.
    """
    scored = (row for row in rows if split[row["name"]] != "train")
    total = sum(part != "train" for part in split.values())
    names, truth, probabilities = [], [], []
    with tqdm(total=total, desc="evaluate", unit="image", mininterval=1) as progress:
        for batch in batched(scored, BATCH):
            images = np.stack([predictor.decode(row["bytes"]) for row in batch])
            probabilities.append(predictor.predict(images)[0])
            names += [row["name"] for row in batch]
            truth += [index_of(row["label"], predictor.labels) for row in batch]
            progress.update(len(batch))
    if not names:
        raise ThawError("val and test must hold images, but are empty: add images")
    found = np.concatenate(probabilities)
    if not np.isfinite(found).all():
        bad = names[int(np.argmin(np.isfinite(found).all(axis=1)))]
        raise ThawError(f"probabilities must be finite, but {bad} has others: train again")
    splits = np.array([split[name] for name in names], dtype=object)
    return Predictions(list(predictor.labels), names, splits, np.array(truth), found)


def index_of(label: str, labels: list[str]) -> int:
    """The class index of `label`; raises ThawError when the bundle has no such class."""
    if label not in labels:
        raise ThawError(
            f"labels must be among the bundle's {', '.join(labels)}, but one is {label}: "
            "train and export again with `dvc repro`"
        )
    return labels.index(label)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the table as CSV; each float32 in the shortest form that reads back as itself."""
    with atomic_write(path) as temporary:
        predictions.table().to_csv(temporary, index=False, lineterminator="\n")


def read_predictions(path: Path) -> Predictions:
    """Read what write_predictions wrote, to the last bit."""
    columns = list(pd.read_csv(path, nrows=0).columns[len(FACTS) :])
    table = pd.read_csv(
        path,
        dtype=dict.fromkeys(FACTS, str) | dict.fromkeys(columns, np.float64),
        keep_default_na=False,  # a class may be called "None" or "NA"
    )
    labels = [column.removeprefix("p_") for column in columns]
    return Predictions(
        labels,
        list(table["name"]),
        table["split"].to_numpy(dtype=object),
        np.array([labels.index(label) for label in table["label"]], dtype=np.int64),
        table[columns].to_numpy(np.float32),
    )
