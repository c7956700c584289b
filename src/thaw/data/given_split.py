"""Take the splits and groups that the data gives: columns of a table, or folders of splits."""

import json
import logging
from collections.abc import Iterator

import pandas as pd

from thaw.data.duplicates import join_pairs
from thaw.data.tables import LEAK, SPLITS, split_of
from thaw.errors import ThawError, listing

log = logging.getLogger("thaw")


def add_given(
    images: pd.DataFrame, column: str | None, group_column: str | None, on_leak: str
) -> pd.DataFrame:
    """Join the groups by `group_column`, and add the column `given` if `column` is not None.

    images: as `thaw.data.tables.read_images` reads them. given: train, val, test, or LEAK for an
    image whose group is also in a split that comes later in this order. on_leak: "drop", or
    "error" to raise. Raises ThawError if a column is missing or a value is no split.
    """
    if group_column is not None:
        images = images.assign(group=_joined_groups(images, group_column))
    if column is not None:
        images = images.assign(given=_given(images, column, on_leak))
    return images


def _values(images: pd.DataFrame, column: str, key: str) -> Iterator[tuple[int, str, str]]:
    """For each image and each identical copy: index of the image, own name, value of the column."""
    if "attributes" not in images:
        raise ThawError(
            f"split.{key} must be a column of data.table, but is {column!r} and the images have no "
            f"columns: set data.layout to csv, or split.{key} to null"
        )
    rows = zip(images["name"], images["attributes"], images["copies"], strict=True)
    for index, (name, attributes, copies) in enumerate(rows):
        own = {"name": name, "attributes": json.loads(attributes)}
        for file in (own, *json.loads(copies)):
            if column not in file["attributes"]:
                raise ThawError(
                    f"split.{key} must be a column of data.table, other than those of files and "
                    f"labels, but is {column!r}; there are {listing(file['attributes'])}"
                )
            yield index, file["name"], file["attributes"][column].strip()


def _joined_groups(images: pd.DataFrame, column: str) -> list[str]:
    """Groups of images that are near duplicates or have the same value, if it is not empty."""
    first: dict[tuple[str, str], int] = {}
    keys = [(index, ("group", group)) for index, group in enumerate(images["group"])]
    values = _values(images, column, "group_column")
    keys += [(index, ("value", value)) for index, _, value in values if value]
    left, right = zip(*((first.setdefault(key, index), index) for index, key in keys), strict=True)
    return join_pairs(list(images["name"]), left, right)


def _given(images: pd.DataFrame, column: str, on_leak: str) -> pd.Series:
    """The split of each image; of the splits of a group, the last in the order of SPLITS."""
    entries = pd.DataFrame(_values(images, column, "column"), columns=["image", "name", "value"])
    splits = entries["value"].map(split_of)
    if (unknown := splits.isna()).any():
        raise ThawError(
            f"split.column {column} must hold train, val or test, but {unknown.sum()} images have "
            f"{listing(sorted(map(repr, set(entries.loc[unknown, 'value']))))}, first "
            f"{entries.loc[unknown, 'name'].iloc[0]}: correct the table"
        )
    entries["rank"] = splits.map(SPLITS.index)
    entries["group"] = images["group"].to_numpy()[entries["image"]]
    entries["last"] = entries.groupby("group")["rank"].transform("max")
    _report(entries, on_leak)
    rank = entries.groupby("image")["rank"].max()
    kept = rank == entries.groupby("image")["last"].first()
    given = rank.map(SPLITS.__getitem__).where(kept, LEAK)
    return pd.Series(given.to_numpy(), images.index)


def _report(entries: pd.DataFrame, on_leak: str) -> None:
    """Log how many copies are taken out of a given split, or raise."""
    leaks = entries[entries["rank"] < entries["last"]]
    if leaks.empty:
        return
    one = leaks.iloc[0]
    same = (entries["group"] == one["group"]) & (entries["rank"] == one["last"])
    counts = ", ".join(
        f"{(leaks['rank'] == rank).sum()} of {split}"
        for rank, split in enumerate(SPLITS)
        if (leaks["rank"] == rank).any()
    )
    found = (
        f"{len(leaks)} images are also in another given split ({counts}), first {one['name']} in "
        f"{SPLITS[one['rank']]}, like {entries.loc[same, 'name'].iloc[0]} in {SPLITS[one['last']]}"
    )
    if on_leak == "error":
        raise ThawError(
            f"given splits must not share images or groups, but {found}: correct the splits, or "
            "set split.on_leak to drop"
        )
    log.warning("%s: taken out", found)
