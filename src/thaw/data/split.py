"""Assign images to train, val and test, and to cross-validation folds, by duplicate group."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from thaw.data.tables import FOLDED, SPLITS, check_split
from thaw.errors import ThawError


def make_split(table: pd.DataFrame, val: float, test: float, folds: int, seed: int) -> pd.DataFrame:
    """Split images by group, with the same fractions of each class.

    table: one row per image, columns name, label and group, and, if splits are given, `given`.
    Given splits are kept; of val and test, one that no image is in is taken from train. The result
    is sorted by name and adds the columns split (train, val, test or LEAK) and fold (0 to folds - 1
    in train and val, -1 elsewhere). The size of a class in a split is within one image of its
    fraction if all groups are single images, otherwise within one group. Adding an image moves few
    others. Raises ThawError if a class has too few groups, or is in one fold only.
    """
    table = table.sort_values("name", ignore_index=True)
    given = table["given"] if "given" in table else pd.Series("train", table.index)
    fractions = {"test": test, "val": val}
    missing = {split: fractions[split] for split in fractions if split not in set(given)}
    divided = _assign(table[given == "train"], missing, seed)
    split = given.where(given != "train", table["group"].map(divided))
    result = table[["name", "label", "group"]].assign(split=split)
    _check_classes(result, folds)
    result = result.assign(fold=_folds(result, folds, seed))
    _check_folds(result)
    return check_split(result)


def _assign(table: pd.DataFrame, fractions: dict[str, float], seed: int) -> dict[str, str]:
    """The split of each group: one of `fractions`, in this order, or train for the rest."""
    groups = {group: Counter(rows) for group, rows in table.groupby("group")["label"]}
    sizes = Counter(table["label"])
    needs = {split: _targets(sizes, fraction) for split, fraction in fractions.items()}
    rest = sizes
    for need in needs.values():
        rest = rest - need
    needs["train"] = rest
    split_of = {}
    for group in sorted(groups, key=lambda group: _random_key(seed, group)):
        chosen = _choose(groups[group], needs)
        needs[chosen].subtract(groups[group])
        split_of[group] = chosen
    return split_of


def _targets(sizes: Counter[str], fraction: float) -> Counter[str]:
    """Number of images of each class, at least 1."""
    return Counter({label: max(1, round(fraction * size)) for label, size in sizes.items()})


def _random_key(seed: int, group: str) -> bytes:
    """A sort key for a random order that does not depend on the other groups."""
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()


def _choose(group: Counter[str], needs: dict[str, Counter[str]]) -> str:
    """The first of test, val and train with room for the group, else the one with most room."""

    def room(split: str) -> int:
        return min(needs[split][label] - count for label, count in group.items())

    return next((split for split in needs if room(split) >= 0), max(needs, key=room))


def _check_classes(table: pd.DataFrame, folds: int) -> None:
    rest = table[table["split"].isin(FOLDED)]
    for label, rows in table.groupby("label"):
        if missing := [split for split in SPLITS if split not in set(rows["split"])]:
            raise ThawError(
                f"each split needs each class, but {' and '.join(missing)} would have no {label}, "
                f"which has {len(rows)} images in {rows['group'].nunique()} groups: add images "
                "of it, raise data.min_per_class to drop it, or lower data.max_phash_distance"
            )
        groups = rest.loc[rest["label"] == label, "group"].nunique()
        if groups < folds:
            raise ThawError(
                f"each fold needs each class, but split.folds is {folds} and {label} has only "
                f"{groups} groups in train and val: lower split.folds, or raise "
                "data.min_per_class to drop it"
            )


def _folds(table: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    fold = np.full(len(table), -1)
    rest = np.flatnonzero(table["split"].isin(FOLDED))
    rows = table.iloc[rest]
    kfold = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    for index, (_, held_out) in enumerate(kfold.split(rest, rows["label"], rows["group"])):
        fold[rest[held_out]] = index
    return fold


def _check_folds(table: pd.DataFrame) -> None:
    """Where the only fold of a class is left out, nothing would be known of it."""
    counts = table[table["split"].isin(FOLDED)].groupby("label")["fold"].nunique()
    for label in counts.index[counts < 2]:
        raise ThawError(
            f"each class must be in two folds or more, but all groups of {label} in train and val "
            "are in one: set another split.seed, or raise data.min_per_class to drop it"
        )
