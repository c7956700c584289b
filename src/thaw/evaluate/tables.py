"""Read and write the tables behind the plots as CSV, which DVC draws and compares."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from thaw.data.tables import read_csv
from thaw.files import atomic_write

TABLES: dict[str, dict[str, type]] = {  # the columns of each
    "roc": {"class": str, "false_positive_rate": float, "true_positive_rate": float},
    "precision_recall": {"class": str, "recall": float, "precision": float},
    "confusion": {"actual": str, "predicted": str},
    "calibration": {
        **{"calibration": str},
        **{"lower": float, "upper": float, "count": int, "confidence": float, "accuracy": float},
    },
    "risk_coverage": {"coverage": float, "risk": float},
    "per_class": {"class": str, "precision": float, "recall": float, "f1": float, "support": int},
}
HISTORY: dict[str, type] = {
    **{"phase": str, "epoch": int, "loss": float, "accuracy": float},
    **{"val_loss": float, "val_accuracy": float},
}


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
    """Read the tables of `TABLES` that `write_tables` wrote."""
    return {name: read_csv(folder / f"{name}.csv", columns) for name, columns in TABLES.items()}


def read_learning_curves(path: Path) -> pd.DataFrame:
    """Read outputs/train/history.csv; loss and accuracy become train_loss and train_accuracy."""
    names = {name: f"train_{name}" for name in ("loss", "accuracy")}
    columns = ["epoch", "phase", "train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    return read_csv(path, HISTORY).rename(columns=names)[columns]
