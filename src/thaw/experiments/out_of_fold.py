"""The table of out-of-fold predictions, without what computes metrics of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from thaw.files import atomic_write, write_json


def write_nothing(table: Path, metrics: Path, classes: Sequence[str]) -> None:
    """Write a table without rows and metrics of no image: cross-validation was not asked for."""
    images = pd.DataFrame(columns=["name", "label", "fold"])
    write_out_of_fold(table, images, np.empty((0, len(classes))), classes)
    write_json(metrics, {"n": 0})


def write_out_of_fold(
    path: Path, images: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str]
) -> None:
    """Write columns name, label, fold, predicted, and p_<class> for each class.

    images: columns name, label and fold.
    """
    table = images[["name", "label", "fold"]].reset_index(drop=True)
    table["predicted"] = np.array(classes, dtype=object)[probabilities.argmax(axis=1)]
    names = [f"p_{name}" for name in classes]
    table = table.join(pd.DataFrame(probabilities, columns=names))
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
