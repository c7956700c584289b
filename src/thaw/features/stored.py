"""Read stored embeddings and activations, and check that they belong together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thaw.features.fingerprint import check_fingerprint, read_fingerprint
from thaw.features.rows import read_listing
from thaw.files import damage_explained

# Rows of embeddings and activations to train on, and to choose the best epoch on: int (N,), (M,).
ChosenRows = tuple[np.ndarray, np.ndarray]

EMBEDDINGS_FILE, ACTIVATIONS_FILE = "embeddings.npy", "activations.npy"


@dataclass(frozen=True)
class Features:
    """Embeddings and activations of the same rows. The arrays are memory-mapped, not read."""

    embeddings: np.ndarray  # (rows, V)
    activations: np.ndarray | None  # (rows, …); None if the entire base is frozen
    rows: pd.DataFrame  # name, view, label, split, fold
    fingerprint: dict[str, Any]  # that of the embeddings and that of the activations

    @classmethod
    def open(cls, embedded: Path, extracted: Path) -> "Features":
        """Open data/embeddings and data/features. ThawError if they are not of the same rows."""
        embeddings, rows = read_embeddings(embedded)
        of_embeddings = read_fingerprint(embedded)
        of_activations, activations = read_fingerprint(extracted), extracted / ACTIVATIONS_FILE
        common = {key: of_embeddings[key] for key in of_embeddings if key in of_activations}
        check_fingerprint(common, of_activations, str(extracted))
        return cls(
            embeddings,
            _map_array(activations, len(rows)) if activations.exists() else None,
            rows,
            of_embeddings | of_activations,
        )


def read_embeddings(folder: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """The embeddings (rows, V), memory-mapped, and name, view, label, split and fold of each."""
    rows = read_listing(folder)
    return _map_array(folder / EMBEDDINGS_FILE, len(rows)), rows


def _map_array(path: Path, count: int) -> np.ndarray:
    with damage_explained(path):
        array = np.load(path, mmap_mode="r")
        if len(array) != count or array.offset + array.nbytes != path.stat().st_size:
            raise ValueError(f"it must hold as many rows as rows.csv, {count}, and no more")
    return array
