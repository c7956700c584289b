"""Write the table of augmented views of the training images."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from thaw.data.augment import encode_jpeg, make_view
from thaw.data.tables import read_classes, read_rows, write_table
from thaw.errors import ThawError
from thaw.files import atomic_write
from thaw.images import decode
from thaw.parallel import map_shards
from thaw.params import Augment

SHARD_SIZE = 32  # images, at most
SCHEMA = pa.schema(
    [("name", pa.string()), ("k", pa.int32()), ("label", pa.string()), ("bytes", pa.binary())]
)


@dataclass(frozen=True)
class ViewSettings:
    """What the views depend on, besides the images."""

    augment: Augment
    image_size: int  # width and height, pixels
    resize: str  # see thaw.images.decode
    seed: int


def make_views(
    shard: list[tuple[dict[str, Any], int]], settings: ViewSettings
) -> list[dict[str, Any]]:
    """Make the views of some images.

    shard: rows with name, label, bytes and sha256, each with its number of views. Returns rows
    of SCHEMA.
    """
    views = []
    for row, count in shard:
        image = decode(row["bytes"], settings.image_size, settings.resize)
        for k in range(1, count + 1):
            view = make_view(image, settings.augment, settings.seed, row["sha256"], k)
            data = encode_jpeg(view)
            views.append({"name": row["name"], "k": k, "label": row["label"], "bytes": data})
    return views


def views_per_class(augment: Augment, classes: Sequence[str]) -> dict[str, int]:
    """Number of views per image of each class. Raises ThawError for an unknown class."""
    if unknown := sorted(set(augment.extra_views) - set(classes)):
        raise ThawError(
            f"augment.extra_views must name classes of the data, but has {', '.join(unknown)}; "
            f"the classes are {', '.join(classes)}"
        )
    return {label: augment.views + augment.extra_views.get(label, 0) for label in classes}


def write_views(
    path: Path, images_path: Path, train: Collection[str], settings: ViewSettings, workers: int
) -> None:
    """Write the views of the images named in `train`, sorted by name and k."""
    classes = read_classes(images_path)
    counts = views_per_class(settings.augment, classes)
    columns = ["name", "label", "bytes", "sha256"]
    rows = read_rows(images_path, columns, train if any(counts.values()) else ())
    items = ((row, counts[row["label"]]) for row in rows if counts[row["label"]])
    work = partial(make_views, settings=settings)
    made = map_shards(work, items, SHARD_SIZE, workers, lambda item: len(item[0]["bytes"]))
    bar = tqdm(made, desc="augmenting", unit="view", disable=None)
    with atomic_write(path) as temporary:
        write_table(temporary, SCHEMA, bar, classes)


def showcase(
    images_path: Path,
    views: Path,
    train: Collection[str],
    settings: ViewSettings,
    count: int,
    each: int,
) -> list[tuple[str, list[np.ndarray]]]:
    """Rows for an image grid: `count` training images, each followed by its first `each` views.

    The images are taken from all classes in turn, in order of SHA-256. A row's label is its class.
    """
    ranked: list[tuple[int, str, str]] = []  # rank within the class, class, name
    for label, queue in _by_class(images_path, train).items():
        ranked += [(rank, label, name) for rank, (_, name) in enumerate(sorted(queue))]
    chosen = {name: label for _, label, name in sorted(ranked)[:count]}
    shown: dict[str, list[np.ndarray]] = {name: [] for name in chosen}
    for row in read_rows(images_path, ["name", "bytes"], chosen):
        image = decode(row["bytes"], settings.image_size, settings.resize)
        shown[row["name"]].append(image)
    for row in read_rows(views, names=chosen):
        if row["k"] <= each:
            shown[row["name"]].append(decode(row["bytes"], settings.image_size))
    return [(chosen[name], images) for name, images in shown.items()]


def _by_class(images_path: Path, train: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    queues: dict[str, list[tuple[str, str]]] = {label: [] for label in read_classes(images_path)}
    for row in read_rows(images_path, ["name", "label", "sha256"], train):
        queues[row["label"]].append((row["sha256"], row["name"]))
    return queues
