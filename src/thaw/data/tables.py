"""Read and write the tables between stages: images as Parquet, the split as checked CSV.

What reads them raises ThawError if a file is missing or damaged.
"""

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained
from thaw.parallel import batched
from thaw.paths import SPLIT

ROW_GROUP = 256  # rows, at most; one group is in memory at a time
SPLITS = ("train", "val", "test")
FOLDED = ("train", "val")  # the splits that are divided into folds
LEAK = "leak"  # in place of a split: a duplicate of an image in another given split, not used
SPLIT_NAME = re.compile(
    r"(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id(?:ation)?)?)|(?P<test>test(?:ing)?))"
    r"(?:[ _-]?set)?",
    re.IGNORECASE,
)
SPLIT_COLUMNS = {"name": str, "label": str, "group": str, "split": str, "fold": int}


def split_of(name: str) -> str | None:
    """The split that a folder or a value names: train, val or test, or None."""
    match = SPLIT_NAME.fullmatch(name.strip())
    return match.lastgroup if match else None


def write_table(
    path: Path,
    schema: pa.Schema,
    rows: Iterator[dict[str, Any]],
    classes: Sequence[str],
    split_column: str | None = None,
) -> None:
    """Write rows to a Parquet file, with the class order and `split_column` in its metadata.

    The same rows give the same bytes. Each page has a checksum, which reading verifies.
    """
    metadata = {"classes": json.dumps(list(classes))}
    if split_column is not None:
        metadata["split_column"] = split_column
    schema = schema.with_metadata(metadata)
    with pq.ParquetWriter(
        path, schema, compression="none", use_dictionary=False, write_page_checksum=True
    ) as writer:
        for batch in batched(rows, ROW_GROUP, lambda row: len(row.get("bytes", b""))):
            writer.write_table(pa.Table.from_pylist(batch, schema))


@contextmanager
def _opened(path: str | Path, columns: Iterable[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a table that must have `columns`: reading one that it has not gives nothing."""
    with damage_explained(path), pq.ParquetFile(path, page_checksum_verification=True) as table:
        if missing := set(columns) - set(table.schema_arrow.names):
            raise ValueError(f"it has no columns {', '.join(sorted(missing))}")
        yield table


def read_rows(
    path: str | Path,
    columns: Sequence[str] | None = None,
    names: Collection[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, or those of `names`, in order.

    One row group is in memory at a time; one without any of `names` is not read.
    """
    with _opened(path, columns or ()) as table:
        for index in range(table.num_row_groups):  # iter_batches would buffer the entire file
            if names is None:
                yield from table.read_row_group(index, columns).to_pylist()
                continue
            here = table.read_row_group(index, ["name"])["name"].to_pylist()
            if chosen := [at for at, name in enumerate(here) if name in names]:
                yield from table.read_row_group(index, columns).take(chosen).to_pylist()


def count_rows(path: str | Path) -> int:
    """Number of rows of a table."""
    with _opened(path) as table:
        return table.metadata.num_rows


def read_classes(path: str | Path) -> list[str]:
    """Class names of a table, in the order of their indices."""
    with _opened(path) as table:
        return json.loads(table.schema_arrow.metadata[b"classes"])


def read_images(path: str | Path) -> pd.DataFrame:
    """Columns name, label and group, and attributes and copies if the layout gave any."""
    always, given = ["name", "label", "group"], ["attributes", "copies"]
    with _opened(path, always) as table:
        columns = always + [name for name in given if name in table.schema_arrow.names]
        return table.read(columns).to_pandas()


def read_split_column(path: str | Path) -> str | None:
    """The attribute that holds the split of each image, if the layout of the source gives one."""
    with _opened(path) as table:
        column = table.schema_arrow.metadata.get(b"split_column")
        return column.decode() if column is not None else None


def read_csv(path: Path, columns: Mapping[str, type]) -> pd.DataFrame:
    """Read a CSV that a stage wrote. Its columns are `columns`; further ones hold numbers."""
    with damage_explained(path):
        with path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read() != b"\n":
                raise ValueError("its last line has no end")
        # By default pandas reads class names such as NA or null as missing values.
        table = pd.read_csv(path, dtype=dict(columns), keep_default_na=False)
        if list(table.columns[: len(columns)]) != list(columns):
            raise ValueError(f"it must have the columns {', '.join(columns)}")
        if table.empty:
            raise ValueError("it has no row")
        numbers = table.drop(columns=[name for name in columns if columns[name] is str])
        if table.isna().any(axis=None) or not np.isfinite(numbers.to_numpy(np.float64)).all():
            raise ValueError("it must have a text or a finite number in each column of each row")
    return table


def check_split(table: pd.DataFrame, images: Path | None = None) -> pd.DataFrame:
    """Return the table if no image and no group is in two splits or two folds.

    With the table of images, also check that each image is there once, with its label, that no
    group of near duplicates is divided, and that no two splits share a file with the same SHA-256.
    Otherwise raises ThawError. Images in LEAK are in no split.
    """
    for violation, examples in _violations(table):
        _raise_if_any(violation, examples)
    if images is not None:
        columns = ["name", "label", "group", "sha256"]
        with _opened(images, columns) as stored:
            known = stored.read(columns).to_pandas()
        both = known.merge(table, "outer", "name", suffixes=("", "_split"), indicator=True)
        mismatched = (both["_merge"] != "both") | (both["label"] != both["label_split"])
        mismatched |= both["group"].isin(_in_several(both, "group", "group_split"))
        _raise_if_any("rows do not match the table of images", both.loc[mismatched, "name"])
        both = both[both["split"] != LEAK]
        copied = both["sha256"].isin(_in_several(both, "sha256", "split"))
        _raise_if_any("images appear in more than one split", both.loc[copied, "name"])
    return table


def _violations(table: pd.DataFrame) -> Iterator[tuple[str, Iterable[str]]]:
    names, folded = table["name"], table["split"].isin(FOLDED)
    yield "images appear more than once", names[names.duplicated()]
    known = table["split"].isin((*SPLITS, LEAK))
    yield f"images are in none of {', '.join(SPLITS)}", names[~known]
    yield "images have a fold in test, or none outside it", names[(table["fold"] >= 0) != folded]
    table = table[table["split"] != LEAK]
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
            f"the split is invalid: {len(examples)} {violation}, first {examples[0]}: delete "
            f"{SPLIT} and run `dvc repro`; do not edit a split by hand"
        )


def write_split(path: Path, table: pd.DataFrame, images: Path) -> None:
    """Check a split against the table of images and write it as CSV."""
    check_split(table, images)
    with atomic_write(path) as temporary:
        table[list(SPLIT_COLUMNS)].to_csv(temporary, index=False, lineterminator="\n")


def read_split(path: Path, images: Path) -> pd.DataFrame:
    """Read a split and check it: columns name, label, group, split (str) and fold (int)."""
    return check_split(read_csv(path, SPLIT_COLUMNS), images)
