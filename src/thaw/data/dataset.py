"""The images of a source that are used, and what is known of the rest; written as tables."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from thaw.data.archive import Members
from thaw.data.layout import InventoryRow, SourceFile
from thaw.data.tables import write_table
from thaw.data.validate import ImageCheck
from thaw.errors import ThawError
from thaw.files import atomic_write

SCHEMA = pa.schema(
    [
        ("name", pa.string()),  # unique: class folder / file name, or the path in the source
        ("label", pa.string()),
        ("bytes", pa.binary()),  # the file, unchanged
        ("width", pa.int32()),  # pixels, after EXIF rotation
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("phash", pa.string()),
        ("group", pa.string()),
    ]
)
# Written only if the layout gives attributes: further columns of the table, or the split.
ATTRIBUTES = pa.schema(
    [
        ("attributes", pa.string()),  # JSON: a mapping of names to text
        ("copies", pa.string()),  # JSON: name and attributes of each identical file left out
    ]
)


@dataclass(frozen=True)
class LabelledImage:
    """A usable image. copies: identical files that were left out."""

    file: SourceFile
    sha256: str
    check: ImageCheck
    group: str
    copies: list[SourceFile]


@dataclass(frozen=True)
class Dataset:
    """The usable images and the inventory, both sorted by name.

    unused: number of images that data.classes and data.limit_per_class left out, by reason.
    relabelled: number of files with another label than in the source, by data.relabel.
    split_column: the attribute that holds the given split, if the layout gives one.
    """

    classes: list[str]
    images: list[LabelledImage]
    inventory: list[InventoryRow]
    unused: dict[str, int]
    relabelled: int
    split_column: str | None


def summary(dataset: Dataset) -> dict[str, Any]:
    """Count the images, the groups and what was left out, for data/ingest.json."""
    sizes = Counter(image.file.label for image in dataset.images)
    reasons = Counter(row.reason for row in dataset.inventory)
    del reasons["near duplicate"]  # these images are in the table
    return {
        "images": len(dataset.images),
        "classes": {label: sizes[label] for label in dataset.classes},
        "groups": len({image.group for image in dataset.images}),
        "relabelled": dataset.relabelled,
        "dropped": reasons["dropped"],
        "left_out": dict(sorted(reasons.items())),
    }


def in_one_line(dataset: Dataset) -> str:
    """How many images were kept, and how many files were left out, by reason."""
    reasons = Counter(summary(dataset)["left_out"]) + Counter(dataset.unused)
    listed = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    kept = f"{len(dataset.images):,} images of {len(dataset.classes):,} classes kept"
    return f"{kept}, {reasons.total():,} files left out" + (f": {listed}" if listed else "")


def write_images(path: Path, members: Members, dataset: Dataset) -> None:
    """Write the table of usable images. Raises ThawError if a file changed since it was checked.

    The files are read again, so that only one row group is in memory at a time.
    """
    bar = tqdm(dataset.images, desc="writing", unit="image", disable=None)
    schema = SCHEMA
    if any(image.file.attributes for image in dataset.images):
        schema = pa.schema([*SCHEMA, *ATTRIBUTES])
    with atomic_write(path) as temporary:
        rows = _table_rows(members, bar)
        write_table(temporary, schema, rows, dataset.classes, dataset.split_column)


def _table_rows(members: Members, images: Iterable[LabelledImage]) -> Iterator[dict[str, Any]]:
    """Rows with all columns; `write_table` takes those of its schema."""
    for image in images:
        file, check = image.file, image.check
        data = members.read(file.path)
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise ThawError(f"{file.path} changed while it was read: run ingest again")
        yield {
            "name": file.name,
            "label": file.label,
            "bytes": data,
            "width": check.width,
            "height": check.height,
            "sha256": image.sha256,
            "phash": check.phash,
            "group": image.group,
            "attributes": _json(file.attributes),
            "copies": _json([{"name": c.name, "attributes": c.attributes} for c in image.copies]),
        }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def write_inventory(path: Path, inventory: Sequence[InventoryRow]) -> None:
    """Write the inventory as CSV: name, label, reason, detail."""
    rows = [(row.name, row.label, row.reason, row.detail) for row in inventory]
    table = pd.DataFrame(rows, columns=["name", "label", "reason", "detail"])
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def examples(
    members: Members, dataset: Dataset, classes: int, per_class: int
) -> list[tuple[str, list[bytes]]]:
    """Encoded images of the first classes, in order of SHA-256, labelled with the class size."""
    rows = []
    for label in dataset.classes[:classes]:
        images = [image for image in dataset.images if image.file.label == label]
        images.sort(key=lambda image: image.sha256)
        encoded = [members.read(image.file.path) for image in images[:per_class]]
        rows.append((f"{label}\n{len(images)}", encoded))
    return rows
