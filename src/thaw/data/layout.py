"""Recognise how a source is laid out, and label its images. Pure functions of paths and tables."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from thaw.data.image_files import is_hidden
from thaw.data.tables import SPLIT_NAME, SPLITS, split_of
from thaw.errors import ThawError, listing

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
DELIMITERS = ",;\t"
FILE_COLUMNS = ("file", "filename", "file_name", "filepath", "path", "image", "image_id", "id")
LABEL_COLUMNS = ("label", "class", "category")

NUMBERED = re.compile(r"(.+?)(?:[._\- ]+\d+| ?\(\d+\))")  # cat.0, great_pyrenees_12, cat (3)
LIKE_A_SPLIT = re.compile(rf"{SPLIT_NAME.pattern}[ _-]?\d*", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class SourceFile:
    """A file of the source. `name` is unique, `path` the path in the source.

    attributes: what else is known, by name: its split, or further columns of a table. Of identical
    files, that of the lowest rank stays, then the first by name.
    """

    name: str
    label: str
    path: str
    attributes: Mapping[str, str] = field(default_factory=dict, compare=False)
    rank: int = 0


@dataclass(frozen=True, order=True)
class InventoryRow:
    """A file that was left out, or that has near duplicates, and why."""

    name: str
    label: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Labelled:
    """The images of a source, labelled by one layout.

    fits: whether the source looks as if it were meant so; why: what was found. table: the path of
    the table; split_column: the attribute that holds the split, if the layout gives one.
    """

    layout: str
    files: list[SourceFile]
    left_out: list[InventoryRow]
    fits: bool
    why: str
    table: str | None = None
    split_column: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of text: the names of its columns, and each row by column."""

    columns: list[str]
    rows: list[dict[str, str]]


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns of files and labels; None: the one with a usual name."""

    file: str | None = None
    label: str | None = None


def is_table(path: str) -> bool:
    """Whether a file is a table, by its suffix."""
    return PurePosixPath(path).suffix.lower() in TABLE_SUFFIXES and not is_hidden(path)


def label_images(
    layout: str, columns: TableColumns, images: Sequence[str], tables: Mapping[str, bytes]
) -> Labelled:
    """Label images by `layout`, or, if it is "auto", by the only layout that fits.

    images: paths; tables: encoded CSV, by path. Raises ThawError if none or several fit.
    """
    ways = [folders(images), prefix(images), splits(images)]
    ways += [from_table(images, name, tables[name], columns) for name in sorted(tables)]
    ways = [way for way in ways if layout in ("auto", way.layout)]
    fitting = [way for way in ways if way.fits]
    if len(fitting) == 1:
        return fitting[0]
    if len(ways) == 1 and ways[0].files:  # chosen by hand; whether it has two classes shows later
        return ways[0]
    found = "; ".join(f"{way.layout}: {way.why}" for way in fitting or ways) or "there is no table"
    if fitting:
        raise ThawError(
            f"one layout must fit data.source, but {len(fitting)} do ({found}): set data.layout"
            + (", or data.table" if len({way.layout for way in fitting}) == 1 else "")
        )
    raise ThawError(
        f"data.source must fit data.layout {layout} with two classes or more, but does not "
        f"({found}): put the images of each class into a folder, or set data.layout and, for a "
        "table, data.table, data.file_column and data.label_column"
    )


def folders(images: Sequence[str]) -> Labelled:
    """One folder per class: the label is the name of the folder that holds the image."""
    files, left_out = [], []
    for text in images:
        path = PurePosixPath(text)
        label = path.parent.name
        if label:
            files.append(SourceFile(f"{label}/{path.name}", label, text))
        else:
            left_out.append(InventoryRow(path.name, "", "no class folder", ""))
    found = class_folders(files)
    like_splits = [label for label in found if is_like_a_split(label)]
    above = {part for file in files for part in PurePosixPath(file.path).parts[:-2]}
    fits = (
        len(found) > 1
        and all(len(places) == 1 for places in found.values())
        and len(like_splits) < len(found)
        and not (like_splits and any(map(split_of, above)))  # train/Cat beside test1/1.jpg
    )
    return Labelled("folders", sorted(files), left_out, fits, f"class folders {listing(found)}")


def class_folders(files: Iterable[SourceFile]) -> dict[str, list[str]]:
    """The folders that hold images of each class, both sorted."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in files:
        found[file.label].add(str(PurePosixPath(file.path).parent))
    return {label: sorted(found[label]) for label in sorted(found)}


def prefix(images: Sequence[str]) -> Labelled:
    """File names of a label and a number, such as cat.0.jpg; other images have no label.

    It fits if these are in one folder, and the other images are in others and called by a number.
    """
    files, others = [], []
    for text in images:
        match = NUMBERED.fullmatch(PurePosixPath(text).stem)
        if match:
            files.append(SourceFile(text, match[1], text))
        else:
            others.append(PurePosixPath(text))
    places = {PurePosixPath(file.path).parent for file in files}
    labels = {file.label for file in files}
    apart = all(path.stem.isdigit() and path.parent not in places for path in others)
    why = f"{len(files)} of {len(images)} names such as cat.0.jpg, of {listing(sorted(labels))}"
    left_out = [InventoryRow(str(path), "", "no label", "") for path in others]
    fits = len(labels) > 1 and len(places) == 1 and apart
    return Labelled("prefix", sorted(files), left_out, fits, why)


def splits(images: Sequence[str]) -> Labelled:
    """Class folders inside folders of splits, such as train/Cat, valid/Cat and test/Cat.

    Images directly in a folder such as test or test1 have no label. It fits if there is such a
    folder beside train, or the folder of another split, and no image elsewhere.
    """
    files, left_out = [], []
    for text in images:
        *above, label, _ = ("", *PurePosixPath(text).parts)
        found = [split for part in above if (split := split_of(part))]
        if found:
            rank = SPLITS[::-1].index(found[-1])
            files.append(SourceFile(text, label, text, {"split": found[-1]}, rank))
        else:
            reason = "no label" if is_like_a_split(label) else "no split folder"
            left_out.append(InventoryRow(text, "", reason, ""))
    present = [split for split in SPLITS if any(f.attributes["split"] == split for f in files)]
    fits = (
        "train" in present
        and (len(present) > 1 or len(left_out) > 0)
        and all(row.reason == "no label" for row in left_out)
    )
    why = f"class folders in folders of {listing(present)}"
    return Labelled("splits", sorted(files), left_out, fits, why, split_column="split")


def is_like_a_split(name: str) -> bool:
    """Whether a name is a split's, with or without a number, such as test1."""
    return LIKE_A_SPLIT.fullmatch(name) is not None


def parse_table(name: str, data: bytes) -> Table:
    """Parse a table of text, separated by commas, semicolons or tabs. Raises ThawError."""
    try:
        text = data.decode("utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=header.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns, *rows = [row for row in reader if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ThawError(f"{name} must be a table as UTF-8 text, but is not: {error}") from None
    columns = [_printable(column.strip(), name) for column in columns]
    if len(set(columns)) < len(columns):
        raise ThawError(f"the columns of {name} must differ, but are {listing(columns)}: name them")
    for row in rows:
        if len(row) != len(columns):
            raise ThawError(
                f"each row of {name} must have {len(columns)} cells, as its header has, but one "
                f"has {len(row)}: {listing(map(repr, row))}: quote cells with a {delimiter!r}"
            )
    return Table(columns, [dict(zip(columns, row, strict=True)) for row in rows])


def from_table(images: Sequence[str], name: str, data: bytes, columns: TableColumns) -> Labelled:
    """A table of files and labels. Files are paths or any end of one, with or without suffix.

    The other columns become attributes. An image with rows that differ is left out.
    """
    try:
        table = parse_table(name, data)
        file_column = _column(name, table, "file_column", columns.file, FILE_COLUMNS)
        label_column = _column(name, table, "label_column", columns.label, LABEL_COLUMNS)
        if file_column == label_column:
            raise ThawError(f"{file_column} of {name} cannot be both file and label: set another")
        rows, left_out = _match(images, name, table, file_column)
        files = []
        for path, found in rows.items():
            values = {key: text for key, text in found[0].items() if key != file_column}
            label = _printable(values.pop(label_column).strip(), name)
            if any(other != found[0] for other in found):
                left_out.append(InventoryRow(path, label, "two rows", f"of {name}, which differ"))
            elif not label:
                left_out.append(InventoryRow(path, "", "no label", f"in {label_column}"))
            else:
                files.append(SourceFile(path, label, path, values))
    except ThawError as error:
        return Labelled("csv", [], [], False, str(error), name)
    left_out += [InventoryRow(p, "", "no label", f"not in {name}") for p in images if p not in rows]
    fits = len({file.label for file in files}) > 1
    why = f"{label_column} and {file_column} in {name} label {len(files)} of {len(images)} images"
    if not rows:
        why += f": {[row[file_column] for row in table.rows[:1]]} names none of {list(images[:1])}"
    return Labelled("csv", sorted(files), left_out, fits, why, name)


def _column(name: str, table: Table, key: str, wanted: str | None, usual: Sequence[str]) -> str:
    names = table.columns
    if wanted is not None and wanted not in names:
        raise ThawError(
            f"{name} has no column {wanted!r}, as data.{key} says, but {listing(names)}"
        )
    found = [wanted] if wanted else [other for other in names if other.lower() in usual]
    if len(found) != 1:
        raise ThawError(
            f"one column of {name} must be data.{key}, but {listing(found)} of {listing(names)} "
            "could be: set it"
        )
    return found[0]


def _match(
    images: Sequence[str], name: str, table: Table, file_column: str
) -> tuple[dict[str, list[dict[str, str]]], list[InventoryRow]]:
    """The rows of each image, and the rows that name no image. ThawError if one names several."""
    ends: dict[str, set[str]] = defaultdict(set)
    for path in images:
        parts = path.split("/")
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            ends[end].add(path)
            ends[end.removesuffix(PurePosixPath(end).suffix)].add(path)
    whole = set(images)
    rows: dict[str, list[dict[str, str]]] = {}
    missing = []
    for row in table.rows:
        value = row[file_column].strip().replace("\\", "/").removeprefix("./")
        found = {value} if value in whole else ends.get(value, set())
        if len(found) > 1:
            raise ThawError(
                f"{file_column} in {name} must name one image each, but {value!r} is "
                f"{listing(sorted(found))}: write the path, or let data.source hold one of them"
            )
        for path in found:
            rows.setdefault(path, []).append(row)
        if not found:
            missing.append(InventoryRow(_printable(value, name), "", "not in the source", name))
    return rows, missing


def _printable(text: str, name: str) -> str:
    if not text.isprintable():
        raise ThawError(f"names and labels must be printable, but {name} has {text!r}: correct it")
    return text
