"""Which pictures are for training, validation and test, and in which fold."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.model_selection import StratifiedGroupKFold

from thaw.errors import ThawError
from thaw.files import whole

SPLITS = ("train", "val", "test")
COLUMNS = ["name", "label", "group", "split", "fold"]


def make_split(table: pd.DataFrame, val: float, test: float, folds: int, seed: int) -> pd.DataFrame:
    """Split pictures by group, with the same fractions of each class.

    table: columns name, label, group, a row a picture, in any order; the result is sorted by name
    and has the columns split (train, val or test) and fold (0 to folds - 1 for train and val,
    -1 for test) too. A class comes out within a picture of its fractions where all groups are
    single pictures, and within a group elsewhere. Adding a picture moves few of the others.
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
    """Pictures of each class; at least one."""
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
                f"each class must be in each split, but {label}, {len(rows)} pictures in "
                f"{rows['group'].nunique()} groups, is not in {' and '.join(absent)}: add "
                "pictures of it, or lower data.near_duplicate_bits"
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


def check_split(table: pd.DataFrame, images: Path | None = None) -> pd.DataFrame:
    """Return the table when no picture and no group stands in two splits or two folds.

    With the table of pictures, also: every picture once, with its label and group, and no
    content in two splits. Raises ThawError, which names the first offender, otherwise.
    """
    for rule, offenders in _offences(table):
        _refuse(rule, offenders)
    if images is not None:
        known = pq.read_table(images, columns=["name", "label", "group", "sha256"]).to_pandas()
        both = known.merge(table, "outer", "name", suffixes=("", "_split"), indicator=True)
        astray = (both["_merge"] != "both") | (both["label"] != both["label_split"])
        astray |= both["group"] != both["group_split"]
        _refuse("fits the pictures, row by row", both.loc[astray, "name"])
        _refuse("keeps a content in one split", _in_several(both, "sha256", "split"))
    return table


def _offences(table: pd.DataFrame) -> Iterator[tuple[str, Iterable[str]]]:
    names, test = table["name"], table["split"] == "test"
    yield "has every picture once", names[names.duplicated()]
    yield f"knows only {', '.join(SPLITS)}", names[~table["split"].isin(SPLITS)]
    yield "has a fold for train and val alone", names[(table["fold"] < 0) != test]
    yield "keeps a group in one split", _in_several(table, "group", "split")
    yield "keeps a group in one fold", _in_several(table, "group", "fold")
    seen = set(zip(table["label"], table["split"], strict=True))
    wanted = ((label, split) for label in sorted(set(table["label"])) for split in SPLITS)
    yield "has each class in each split", [f"{p[0]} in {p[1]}" for p in wanted if p not in seen]


def _in_several(table: pd.DataFrame, key: str, part: str) -> Sequence[str]:
    parts = table.groupby(key)[part].nunique()
    return sorted(parts.index[parts > 1])


def _refuse(rule: str, offenders: Iterable[str]) -> None:
    if offenders := list(offenders):
        raise ThawError(
            f"a split {rule}, but {len(offenders)} break that, first {offenders[0]}: "
            "run the split stage again, and edit no split by hand"
        )


def write_split(path: Path, table: pd.DataFrame, images: Path) -> None:
    """Check a split against its pictures and write it as CSV."""
    check_split(table, images)
    with whole(path) as temporary:
        table[COLUMNS].to_csv(temporary, index=False, lineterminator="\n")


def read_split(path: Path, images: Path | None = None) -> pd.DataFrame:
    """Read and check a split: name, label, group, split (str) and fold (int), sorted by name."""
    # Otherwise a class folder called NA or null would be read as missing.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise ThawError(
            f"{path} must have the columns {', '.join(COLUMNS)}, but has "
            f"{', '.join(table.columns)}: run the split stage again"
        )
    return check_split(table.assign(fold=table["fold"].astype(int)), images)
