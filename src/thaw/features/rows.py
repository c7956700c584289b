"""The images and views that embeddings and activations are computed for, in their order."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from thaw.data.tables import FOLDED, count_rows, read_csv, read_rows, read_split
from thaw.errors import listing
from thaw.files import damage_explained
from thaw.parallel import batched

SHARD_SIZE = 256  # rows, at most; an interrupted run loses at most one shard
COLUMNS = {"name": str, "view": int, "label": str, "split": str, "fold": int}  # of rows.csv


@dataclass(frozen=True)
class Row:
    """An image (view 0) or one of its augmented views, with its encoded bytes."""

    name: str
    view: int
    label: str
    split: str
    fold: int  # of the image, so that an image and its views are in one
    data: bytes


@dataclass(frozen=True)
class Shard:
    """Consecutive rows, the first of which is row `start` of all.

    digest: SHA-256 over all rows and their bytes, from row 0 to the last of the shard.
    """

    number: int
    start: int
    rows: list[Row]
    digest: str

    def listing(self) -> pd.DataFrame:
        """The rows without their bytes."""
        return pd.DataFrame([_without_bytes(row) for row in self.rows])


@dataclass(frozen=True)
class Rows:
    """The images of train and val, then the views of train; read from the tables once."""

    images: Path
    split: Path
    views: Path

    def __len__(self) -> int:
        split = read_split(self.split, self.images)
        return int(split["split"].isin(FOLDED).sum()) + count_rows(self.views)

    def __iter__(self) -> Iterator[Row]:
        table = read_split(self.split, self.images).set_index("name")
        split, fold = table["split"].to_dict(), table["fold"].to_dict()
        for row in read_rows(self.images, ["name", "label", "bytes"]):
            name = row["name"]
            if split[name] in FOLDED:
                yield Row(name, 0, row["label"], split[name], fold[name], row["bytes"])
        for row in read_rows(self.views):
            name = row["name"]
            yield Row(name, row["k"], row["label"], "train", fold[name], row["bytes"])


def shards(rows: Iterable[Row]) -> Iterator[Shard]:
    """Divide the rows into shards."""
    digest, start = hashlib.sha256(), 0
    for number, block in enumerate(batched(rows, SHARD_SIZE, lambda row: len(row.data))):
        for row in block:
            entry = json.dumps(_without_bytes(row)).encode()
            digest.update(entry + hashlib.sha256(row.data).digest())
        yield Shard(number, start, block, digest.hexdigest())
        start += len(block)


def _without_bytes(row: Row) -> dict[str, str | int]:
    return {name: getattr(row, name) for name in COLUMNS}


def read_listing(folder: Path) -> pd.DataFrame:
    """Read the rows of data/embeddings: name, view, label, split and fold."""
    rows = read_csv(folder / "rows.csv", COLUMNS)
    with damage_explained(folder / "rows.csv"):
        if unknown := set(rows["split"]) - set(FOLDED):
            raise ValueError(f"its splits must be {' and '.join(FOLDED)}, not {listing(unknown)}")
    return rows
