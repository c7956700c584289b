"""What the data are: counts by class and split, groups of near duplicates, files left out."""

from pathlib import Path

import pandas as pd

from thaw.data.tables import LEAK, SPLITS
from thaw.files import damage_explained

INVENTORY_COLUMNS = ["name", "label", "reason", "detail"]
KEPT = "near duplicate"  # a reason of the inventory for which no image is left out


def split_counts(split: pd.DataFrame) -> pd.DataFrame:
    """Number of images by class, in order of name, and by split; LEAK only if there are any.

    split: as thaw.data.tables.read_split returns it.
    """
    counts = pd.crosstab(split["label"], split["split"])
    present = [*SPLITS, *([LEAK] if LEAK in counts else [])]
    return counts.reindex(columns=present, fill_value=0).rename_axis(index="class", columns=None)


def near_duplicates(split: pd.DataFrame) -> list[pd.DataFrame]:
    """The groups of two images or more, the largest first; each as its rows of `split`."""
    several = split[split["group"].duplicated(keep=False)]
    groups = [rows for _, rows in several.groupby("group")]
    return sorted(groups, key=len, reverse=True)


def read_left_out(path: Path) -> pd.DataFrame:
    """The files of data/inventory.csv that are not among the images, as INVENTORY_COLUMNS.

    There may be none.
    """
    with damage_explained(path):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if list(table.columns) != INVENTORY_COLUMNS:
            raise ValueError(f"it must have the columns {', '.join(INVENTORY_COLUMNS)}")
    return table[table["reason"] != KEPT]
