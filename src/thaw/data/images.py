"""The one decoder, and the one-file tables of pictures that travel between stages."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

T = TypeVar("T")
ROW_GROUP = 256  # pictures read or written at a time, which bounds memory


def to_rgb(picture: Image.Image) -> Image.Image:
    """Turn any Pillow picture upright, by its EXIF orientation, and into 8-bit RGB.

    16-bit grey is scaled to 8 bits, transparency is laid on white, and only the first frame of
    an animation is used.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray((np.clip(deep, 0, 65535) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def decode(data: bytes, size: int) -> np.ndarray:
    """Encoded picture → uint8 RGB array (size, size, 3), 0–255.

    Every stage and every way of serving decodes through here, so that what is trained on, what
    is scored and what is served see the same pixels. The whole picture is kept and its aspect is
    not. Raises what Pillow raises when `data` is not a whole picture.
    """
    with Image.open(io.BytesIO(data)) as picture:
        small = to_rgb(picture).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small)


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


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive lists of `size` rows; the last may be shorter."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
