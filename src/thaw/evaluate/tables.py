"""The tables behind the plots as small CSV files, which DVC draws and compares."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from thaw.files import atomic_write


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, with six digits, which is more than a plot can show."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table into `folder`, as its name and .csv."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        for name, table in tables.items():
            write_table(temporary / f"{name}.csv", table)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """What write_tables wrote."""
    names = dict.fromkeys(("class", "actual", "predicted"), str)  # even where a class is called 1
    return {
        path.stem: pd.read_csv(path, dtype=names, keep_default_na=False)  # … or "None", or "NA"
        for path in sorted(folder.glob("*.csv"))
    }


def learning_curves(history: pd.DataFrame) -> pd.DataFrame:
    """outputs/train/history.csv with train_ and val_ before loss and accuracy."""
    names = {name: f"train_{name}" for name in ("loss", "accuracy")}
    columns = ["epoch", "phase", "train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    return history.rename(columns=names)[columns]
