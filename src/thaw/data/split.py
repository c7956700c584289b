"""Which images are for training, validation and test, and in which fold."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from thaw.data.tables import SPLITS, check_split
from thaw.errors import ThawError


def make_split(table: pd.DataFrame, val: float, test: float, folds: int, seed: int) -> pd.DataFrame:
    """Split images by group, with the same fractions of each class.

    table: columns name, label, group, a row an image, in any order; the result is sorted by name
    and has the columns split (train, val or test) and fold (0 to folds - 1 for train and val,
    -1 for test) too. A class comes out within an image of its fractions where all groups are
    single images, and within a group elsewhere. Adding an image moves few of the others.
    Raises ThawError when a class has too few groups for that.
    """
    table = table[["name", "label", "group"]].sort_values("name", ignore_index=True)
    groups = {group: Counter(rows) for group, rows in table.groupby("group")["label"]}
    sizes = Counter(table["label"])
    needs = {
        "test": _targets(sizes, test),
        "val": _targets(sizes, val),
        "train": Counter(),
    }
    needs["train"] = sizes - needs["test"] - needs["val"]
    split_of = {}
    for group in sorted(groups, key=lambda group: _drawn(seed, group)):
        chosen = _choose(groups[group], needs)
        needs[chosen].subtract(groups[group])
        split_of[group] = chosen
    result = table.assign(split=table["group"].map(split_of))
    _check_classes(result, folds)
    return check_split(result.assign(fold=_folds(result, folds, seed)))


def _targets(sizes: Counter[str], fraction: float) -> Counter[str]:
    """Images of each class; at least one."""
    return Counter({label: max(1, round(fraction * size)) for label, size in sizes.items()})


def _drawn(seed: int, group: str) -> bytes:
    """A random place in the order, which does not depend on the other groups."""
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()


def _choose(group: Counter[str], needs: dict[str, Counter[str]]) -> str:
    """The first of test, val and train with room for the whole group, or the one with most."""

    def room(split: str) -> int:
        return min(needs[split][label] - count for label, count in group.items())

    return next((split for split in needs if room(split) >= 0), max(needs, key=room))


def _check_classes(table: pd.DataFrame, folds: int) -> None:
    rest = table[table["split"] != "test"]
    for label, rows in table.groupby("label"):
        if absent := [split for split in SPLITS if split not in set(rows["split"])]:
            raise ThawError(
                f"each class must be in each split, but {label}, {len(rows)} images in "
                f"{rows['group'].nunique()} groups, is not in {' and '.join(absent)}: add "
                "images of it, or lower data.max_phash_distance"
            )
        groups = rest.loc[rest["label"] == label, "group"].nunique()
        if groups < folds:
            raise ThawError(
                f"split.folds is {folds}, but {label} has only {groups} groups in train and val: "
                "lower split.folds"
            )


def _folds(table: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    fold = np.full(len(table), -1)
    rest = np.flatnonzero(table["split"] != "test")
    rows = table.iloc[rest]
    kfold = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    for index, (_, held_out) in enumerate(kfold.split(rest, rows["label"], rows["group"])):
        fold[rest[held_out]] = index
    return fold
