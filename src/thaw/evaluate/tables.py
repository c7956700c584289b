"""Read and write the tables behind the plots as CSV, which DVC draws and compares."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from thaw.files import atomic_write


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with six significant digits, more than a plot resolves."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table to `folder`/<name>.csv."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        for name, table in tables.items():
            write_table(temporary / f"{name}.csv", table)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read a folder that `write_tables` wrote."""
    # A class may be called "1" or "NA".
    dtypes = dict.fromkeys(("class", "actual", "predicted"), str)
    return {
        path.stem: pd.read_csv(path, dtype=dtypes, keep_default_na=False)
        for path in sorted(folder.glob("*.csv"))
    }


def learning_curves(history: pd.DataFrame) -> pd.DataFrame:
    """Rename loss and accuracy of outputs/train/history.csv to train_loss and train_accuracy."""
    names = {name: f"train_{name}" for name in ("loss", "accuracy")}
    columns = ["epoch", "phase", "train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    return history.rename(columns=names)[columns]
