"""Read and write the tables between stages: images as Parquet, the split as checked CSV."""

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

ROW_GROUP = 256  # rows; one group is in memory at a time
SPLITS = ("train", "val", "test")
SPLIT_COLUMNS = ["name", "label", "group", "split", "fold"]


def write_table(
    path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]], classes: Sequence[str]
) -> None:
    """Write rows to a Parquet file, with the class order in its metadata.

    The same rows give the same bytes.
    """
    schema = schema.with_metadata({"classes": json.dumps(list(classes))})
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for batch in batched(rows, ROW_GROUP):
            writer.write_table(pa.Table.from_pylist(batch, schema))


def read_rows(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table in order. One row group is in memory at a time."""
    with pq.ParquetFile(path) as table:
        for index in range(table.num_row_groups):  # iter_batches would buffer the entire file
            yield from table.read_row_group(index, columns).to_pylist()


def read_classes(path: str | Path) -> list[str]:
    """Class names of a table, in the order of their indices."""
    return json.loads(pq.read_schema(path).metadata[b"classes"])


def check_split(table: pd.DataFrame, images: Path | None = None) -> pd.DataFrame:
    """Return the table if no image and no group is in two splits or two folds.

    With the table of images, also check that each image is there once, with its label and group,
    and that no two splits share a file with the same SHA-256. Otherwise raises ThawError.
    """
    for violation, examples in _violations(table):
        _raise_if_any(violation, examples)
    if images is not None:
        known = pq.read_table(images, columns=["name", "label", "group", "sha256"]).to_pandas()
        both = known.merge(table, "outer", "name", suffixes=("", "_split"), indicator=True)
        mismatched = (both["_merge"] != "both") | (both["label"] != both["label_split"])
        mismatched |= both["group"] != both["group_split"]
        _raise_if_any("rows do not match the table of images", both.loc[mismatched, "name"])
        copied = both["sha256"].isin(_in_several(both, "sha256", "split"))
        _raise_if_any("images appear in more than one split", both.loc[copied, "name"])
    return table


def _violations(table: pd.DataFrame) -> Iterator[tuple[str, Iterable[str]]]:
    names, test = table["name"], table["split"] == "test"
    yield "images appear more than once", names[names.duplicated()]
    yield f"images are in none of {', '.join(SPLITS)}", names[~table["split"].isin(SPLITS)]
    yield "images have a fold in test, or none outside it", names[(table["fold"] < 0) != test]
    yield "groups appear in more than one split", _in_several(table, "group", "split")
    yield "groups appear in more than one fold", _in_several(table, "group", "fold")
    present = set(zip(table["label"], table["split"], strict=True))
    required = ((label, split) for label in sorted(set(table["label"])) for split in SPLITS)
    yield (
        "classes are missing from a split",
        [f"{label} from {split}" for label, split in required if (label, split) not in present],
    )


def _in_several(table: pd.DataFrame, key: str, column: str) -> Sequence[str]:
    """Values of `key` that occur with more than one value of `column`."""
    counts = table.groupby(key)[column].nunique()
    return sorted(counts.index[counts > 1])


def _raise_if_any(violation: str, examples: Iterable[str]) -> None:
    if examples := list(examples):
        raise ThawError(
            f"the split is invalid: {len(examples)} {violation}, first {examples[0]}: run the "
            "split stage again; do not edit a split by hand"
        )


def write_split(path: Path, table: pd.DataFrame, images: Path) -> None:
    """Check a split against the table of images and write it as CSV."""
    check_split(table, images)
    with atomic_write(path) as temporary:
        table[SPLIT_COLUMNS].to_csv(temporary, index=False, lineterminator="\n")


def read_split(path: Path, images: Path | None = None) -> pd.DataFrame:
    """Read and check a split: columns name, label, group, split (str) and fold (int)."""
    # By default pandas reads class names such as NA or null as missing values.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != SPLIT_COLUMNS:
        raise ThawError(
            f"{path} must have the columns {', '.join(SPLIT_COLUMNS)}, but has "
            f"{', '.join(table.columns)}: run the split stage again"
        )
    return check_split(table.assign(fold=table["fold"].astype(int)), images)
