"""The tables between stages: images as Parquet, the split as CSV, checked when read and written."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from thaw.errors import ThawError
from thaw.files import atomic_write
from thaw.parallel import batched

ROW_GROUP = 256  # images read or written at a time, which bounds memory
SPLITS = ("train", "val", "test")
SPLIT_COLUMNS = ["name", "label", "group", "split", "fold"]


def write_table(
    path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]], classes: Sequence[str]
) -> None:
    """Write rows to a Parquet file, a row group at a time, with the class order in its schema.

    The same rows give the same bytes.
    """
    schema = schema.with_metadata({"classes": json.dumps(list(classes))})
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for batch in batched(rows, ROW_GROUP):
            writer.write_table(pa.Table.from_pylist(batch, schema))


def read_rows(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a table in order, a row group in memory at a time."""
    with pq.ParquetFile(path) as table:
        for index in range(table.num_row_groups):  # iter_batches would buffer the whole file
            yield from table.read_row_group(index, columns).to_pylist()


def read_classes(path: str | Path) -> list[str]:
    """The class names of a table, in the order of their indices."""
    return json.loads(pq.read_schema(path).metadata[b"classes"])


def check_split(table: pd.DataFrame, images: Path | None = None) -> pd.DataFrame:
    """Return the table if no image and no group is in two splits or two folds.

    With the table of images, also: every image once, with its label and group, and no file
    content in two splits. Otherwise raises ThawError, which names the first offender.
    """
    for fault, offenders in _faults(table):
        _refuse(fault, offenders)
    if images is not None:
        known = pq.read_table(images, columns=["name", "label", "group", "sha256"]).to_pandas()
        both = known.merge(table, "outer", "name", suffixes=("", "_split"), indicator=True)
        astray = (both["_merge"] != "both") | (both["label"] != both["label_split"])
        astray |= both["group"] != both["group_split"]
        _refuse("rows do not match the table of images", both.loc[astray, "name"])
        _refuse("file contents (SHA-256) are in two splits", _in_several(both, "sha256", "split"))
    return table


def _faults(table: pd.DataFrame) -> Iterator[tuple[str, Iterable[str]]]:
    names, test = table["name"], table["split"] == "test"
    yield "images appear more than once", names[names.duplicated()]
    yield f"images are in none of {', '.join(SPLITS)}", names[~table["split"].isin(SPLITS)]
    yield "images have a fold in test, or none in train and val", names[(table["fold"] < 0) != test]
    yield "groups are in more than one split", _in_several(table, "group", "split")
    yield "groups are in more than one fold", _in_several(table, "group", "fold")
    seen = set(zip(table["label"], table["split"], strict=True))
    wanted = ((label, split) for label in sorted(set(table["label"])) for split in SPLITS)
    yield (
        "classes are missing from a split",
        [f"{label} from {split}" for label, split in wanted if (label, split) not in seen],
    )


def _in_several(table: pd.DataFrame, key: str, part: str) -> Sequence[str]:
    parts = table.groupby(key)[part].nunique()
    return sorted(parts.index[parts > 1])


def _refuse(fault: str, offenders: Iterable[str]) -> None:
    if offenders := list(offenders):
        raise ThawError(
            f"the split is not valid: {len(offenders)} {fault}, first {offenders[0]}: run the "
            "split stage again; do not edit a split by hand"
        )


def write_split(path: Path, table: pd.DataFrame, images: Path) -> None:
    """Check a split against its images and write it as CSV."""
    check_split(table, images)
    with atomic_write(path) as temporary:
        table[SPLIT_COLUMNS].to_csv(temporary, index=False, lineterminator="\n")


def read_split(path: Path, images: Path | None = None) -> pd.DataFrame:
    """Read and check a split: name, label, group, split (str) and fold (int), sorted by name."""
    # Otherwise a class folder called NA or null would be read as missing.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != SPLIT_COLUMNS:
        raise ThawError(
            f"{path} must have the columns {', '.join(SPLIT_COLUMNS)}, but has "
            f"{', '.join(table.columns)}: run the split stage again"
        )
    return check_split(table.assign(fold=table["fold"].astype(int)), images)
