"""Honour a table of corrected labels: relabel images, or drop them."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from thaw.data.layout import InventoryRow, SourceFile, parse_table
from thaw.data.member_checks import unreadable_refused
from thaw.errors import ThawError, listing

COLUMNS = ("name", "label")
HASHED = re.compile("sha256:[0-9a-f]{64}")  # in place of a name: all files with this content


def read_labels(
    path: Path | None, names: Collection[str], classes: Collection[str]
) -> dict[str, str]:
    """The labels by name in the CSV `path`, "" for an image to drop; none without a path.

    The CSV has the columns name and label, and may have others. In place of a name it may have
    `sha256:` and the SHA-256 of the file, as feedback to a server has: such a row may be of an
    image that is not in the data, and of several the last counts. Raises ThawError if the CSV
    cannot be read, names none of `names`, gives a label that is none of `classes`, or two to one
    name.
    """
    if path is None:
        return {}
    labels = _by_name(_rows(path))
    known, allowed = set(names), {"", *classes}
    for rule, wrong in (
        (
            "name images of data.source",
            {name for name in labels.keys() - known if not HASHED.fullmatch(name)},
        ),
        (
            f"give labels of the classes {listing(classes)}, or none to drop an image",
            set().union(*labels.values()) - allowed,
        ),
        ("give an image one label", {name for name in labels if len(labels[name]) > 1}),
    ):
        if wrong:
            raise ThawError(
                f"data.relabel must {rule}, but {path} does not with "
                f"{listing(map(repr, sorted(wrong)))} ({len(wrong)} in all): correct it"
            )
    return {name: label for name, [label] in labels.items()}


def read_corrections(path: Path | None) -> dict[str, str]:
    """The rows of the CSV `path` as they stand, label by name, the last of several; none without.

    Raises ThawError if it cannot be read.
    """
    return {row["name"]: row["label"].strip() for row in (_rows(path) if path else ())}


def _rows(path: Path) -> Sequence[Mapping[str, str]]:
    """The rows of the CSV, with name and label."""
    with unreadable_refused(path):
        table = parse_table(str(path), path.read_bytes())
    if set(COLUMNS) - set(table.columns):
        raise ThawError(
            f"data.relabel must have the columns name and label, but {path} has "
            f"{listing(table.columns)}: name them so in its first line"
        )
    return table.rows


def _by_name(rows: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    """The labels given to each name; of a hash the last."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if HASHED.fullmatch(row["name"]):
            labels[row["name"]].clear()
        labels[row["name"]].add(row["label"].strip())
    return labels


def relabel(
    files_by_sha: Mapping[str, Sequence[SourceFile]], labels: Mapping[str, str]
) -> tuple[dict[str, list[SourceFile]], list[InventoryRow], int]:
    """Give the files that `labels` names their new labels, and leave out those with an empty one.

    Files with the same SHA-256 and the same label are one image: what is said of one holds for
    all, so that no copy returns in place of a dropped image; what is said of a name counts more
    than what is said of its hash. Returns the files that stay, the rows of those that were dropped,
    and the number of files with another label than before. Raises ThawError if two such files get
    different labels.
    """
    kept: dict[str, list[SourceFile]] = {}
    dropped: list[InventoryRow] = []
    count = 0
    for sha, files in files_by_sha.items():
        new = _new_labels(files, labels)
        if (hashed := f"sha256:{sha}") in labels:
            new = {file.label: labels[hashed] for file in files} | new
        for file in files:
            label = new.get(file.label, file.label)
            if label:
                kept.setdefault(sha, []).append(replace(file, label=label))
                count += label != file.label
            else:
                dropped.append(InventoryRow(file.name, file.label, "dropped", "by data.relabel"))
    return kept, dropped, count


def _new_labels(files: Sequence[SourceFile], labels: Mapping[str, str]) -> dict[str, str]:
    """The new label for each old one, among identical files."""
    named: dict[str, str] = {}  # the first named file of each old label
    for file in files:
        if file.name in labels:
            first = named.setdefault(file.label, file.name)
            if labels[first] != labels[file.name]:
                raise ThawError(
                    f"identical images must get one label, but {first} gets {labels[first]!r} and "
                    f"{file.name} {labels[file.name]!r}: correct the file of data.relabel"
                )
    return {label: labels[name] for label, name in named.items()}
