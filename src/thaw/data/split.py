"""The table of the split: read and written as CSV, and checked both times."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from thaw.errors import ThawError
from thaw.files import whole

SPLITS = ("train", "val", "test")
COLUMNS = ["name", "label", "group", "split", "fold"]


def check_split(table: pd.DataFrame, images: Path | None = None) -> pd.DataFrame:
    """Return the table when no picture and no group stands in two splits or two folds.

    With the table of pictures, also: every picture once, with its label and group, and no
    content in two splits. Raises ThawError, which names the first offender, otherwise.
    """
    for rule, offenders in _offences(table):
        _refuse(rule, offenders)
    if images is not None:
        known = pq.read_table(images, columns=["name", "label", "group", "sha256"]).to_pandas()
        both = known.merge(table, "outer", "name", suffixes=("", "_split"), indicator=True)
        astray = (both["_merge"] != "both") | (both["label"] != both["label_split"])
        astray |= both["group"] != both["group_split"]
        _refuse("fits the pictures, row by row", both.loc[astray, "name"])
        _refuse("keeps a content in one split", _in_several(both, "sha256", "split"))
    return table


def _offences(table: pd.DataFrame) -> Iterator[tuple[str, Iterable[str]]]:
    names, test = table["name"], table["split"] == "test"
    yield "has every picture once", names[names.duplicated()]
    yield f"knows only {', '.join(SPLITS)}", names[~table["split"].isin(SPLITS)]
    yield "has a fold for train and val alone", names[(table["fold"] < 0) != test]
    yield "keeps a group in one split", _in_several(table, "group", "split")
    yield "keeps a group in one fold", _in_several(table, "group", "fold")
    seen = set(zip(table["label"], table["split"], strict=True))
    wanted = ((label, split) for label in sorted(set(table["label"])) for split in SPLITS)
    yield "has each class in each split", [f"{p[0]} in {p[1]}" for p in wanted if p not in seen]


def _in_several(table: pd.DataFrame, key: str, part: str) -> Sequence[str]:
    parts = table.groupby(key)[part].nunique()
    return sorted(parts.index[parts > 1])


def _refuse(rule: str, offenders: Iterable[str]) -> None:
    if offenders := list(offenders):
        raise ThawError(
            f"a split {rule}, but {len(offenders)} break that, first {offenders[0]}: "
            "run the split stage again, and edit no split by hand"
        )


def write_split(path: Path, table: pd.DataFrame, images: Path) -> None:
    """Check a split against its pictures and write it as CSV."""
    check_split(table, images)
    with whole(path) as temporary:
        table[COLUMNS].to_csv(temporary, index=False, lineterminator="\n")


def read_split(path: Path, images: Path | None = None) -> pd.DataFrame:
    """Read and check a split: name, label, group, split (str) and fold (int), sorted by name."""
    # Otherwise a class folder called NA or null would be read as missing.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise ThawError(
            f"{path} must have the columns {', '.join(COLUMNS)}, but has "
            f"{', '.join(table.columns)}: run the split stage again"
        )
    return check_split(table.assign(fold=table["fold"].astype(int)), images)
