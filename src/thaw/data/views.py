"""The table of augmented views of the training pictures."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from thaw.data.augment import check_ranges, encode, view
from thaw.data.images import decode, read_classes, read_rows, write_table
from thaw.data.shards import over_shards
from thaw.errors import ThawError
from thaw.files import whole
from thaw.params import Augment

SHARD = 32  # pictures a process augments at a time
SCHEMA = pa.schema(
    [("name", pa.string()), ("k", pa.int32()), ("label", pa.string()), ("bytes", pa.binary())]
)


def views_of_shard(
    shard: list[tuple[dict[str, Any], int]], settings: Augment, size: int, seed: int
) -> list[dict[str, Any]]:
    """The rows of all views of some pictures: (row with name, label, bytes, sha256; how many)."""
    made = []
    for row, count in shard:
        picture = decode(row["bytes"], size)
        for k in range(1, count + 1):
            seen = encode(view(picture, settings, seed, row["sha256"], k))
            made.append({"name": row["name"], "k": k, "label": row["label"], "bytes": seen})
    return made


def counts_of(settings: Augment, classes: Sequence[str]) -> dict[str, int]:
    """How many views a picture of each class gets; raises ThawError for a class there is not."""
    if unknown := sorted(set(settings.extra_views) - set(classes)):
        raise ThawError(
            f"augment.extra_views must name classes of the data, but there is no "
            f"{', '.join(unknown)}; the classes are {', '.join(classes)}"
        )
    return {label: settings.views + settings.extra_views.get(label, 0) for label in classes}


def write_views(
    path: Path,
    images: Path,
    train: Collection[str],
    settings: Augment,
    size: int,
    seed: int,
    workers: int,
) -> None:
    """Write the views of the pictures named in `train`, sorted by name and k."""
    check_ranges(settings)
    classes = read_classes(images)
    counts = counts_of(settings, classes)
    columns = ["name", "label", "bytes", "sha256"]
    rows = (row for row in read_rows(images, columns) if row["name"] in train)
    items = ((row, counts[row["label"]]) for row in rows if counts[row["label"]])
    work = partial(views_of_shard, settings=settings, size=size, seed=seed)
    made = over_shards(work, items, SHARD, workers)
    bar = tqdm(made, desc="augmenting", unit="view", disable=None)
    with whole(path) as temporary:
        write_table(temporary, SCHEMA, bar, classes)


def showcase(
    images: Path, views: Path, train: Collection[str], size: int, pictures: int, each: int
) -> list[tuple[str, list[np.ndarray]]]:
    """Some training pictures, of all classes in turn, each before its first `each` views.

    They are taken in the order of their SHA-256. Each row's label is its class.
    """
    ranked: list[tuple[int, str, str]] = []  # place within the class, class, name
    for label, queue in _by_class(images, train).items():
        ranked += [(place, label, name) for place, (_, name) in enumerate(sorted(queue))]
    chosen = {name: label for _, label, name in sorted(ranked)[:pictures]}
    shown: dict[str, list[np.ndarray]] = {name: [] for name in chosen}
    for row in read_rows(images, ["name", "bytes"]):
        if row["name"] in chosen:
            shown[row["name"]].append(decode(row["bytes"], size))
    for row in read_rows(views):
        if row["name"] in chosen and row["k"] <= each:
            shown[row["name"]].append(decode(row["bytes"], size))
    return [(chosen[name], pictures) for name, pictures in shown.items()]


def _by_class(images: Path, train: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    queues: dict[str, list[tuple[str, str]]] = {label: [] for label in read_classes(images)}
    for row in read_rows(images, ["name", "label", "sha256"]):
        if row["name"] in train:
            queues[row["label"]].append((row["sha256"], row["name"]))
    return queues
