"""Turn the files of a source into a dataset of valid, unique, grouped images."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from thaw.data.archive import Members
from thaw.data.dataset import Dataset, LabelledImage
from thaw.data.duplicates import group_names
from thaw.data.image_files import SUFFIXES, is_hidden, list_images
from thaw.data.layout import (
    InventoryRow,
    Labelled,
    SourceFile,
    TableColumns,
    class_folders,
    is_like_a_split,
    is_table,
    label_images,
)
from thaw.data.relabel import read_labels, relabel
from thaw.data.validate import ImageCheck, check_shard
from thaw.errors import ThawError, listing
from thaw.parallel import map_shards
from thaw.params import MIN_PER_CLASS, Data

log = logging.getLogger("thaw")

SHARD_SIZE = 32  # images, at most


def collect(members: Members, data: Data, workers: int) -> Dataset:
    """Read, label, relabel, validate, deduplicate and group the images of `data.classes`, or all.

    A limit takes the images of a class in order of their SHA-256, a reproducible random order
    that is independent of file names, and stops decoding when it is reached. Raises ThawError
    if no layout fits, or a class is missing, ambiguous or too small.
    """
    images, others = list_images(members.paths())
    labelled = label_images(*_layout(data), images, _tables(members, others, data))
    log.info("data.layout is %s: %s", labelled.layout, labelled.why)
    chosen = choose_classes(labelled, data.classes)
    labels = read_labels(data.relabel_file(), [file.name for file in labelled.files], chosen)
    among = set(chosen)
    files = [file for file in labelled.files if file.label in among or file.name in labels]
    files_by_sha, left_out, relabelled = relabel(_by_sha256(members, files), labels)
    checks = check_images(members, files_by_sha, data.limit_per_class, data.max_megapixels, workers)
    unique, unusable = deduplicate(files_by_sha, checks)
    left_out += unusable
    unused = {
        "of other classes": len(labelled.files) - len(files),
        "over data.limit_per_class": len(files) - len(unique) - len(left_out),
    }
    left_out += [_skipped(path) for path in others if path != labelled.table] + labelled.left_out
    unique, dropped = drop_small_classes(unique, chosen, data.min_per_class, left_out)
    names = [file.name for file, _ in unique]
    groups = group_names(names, [checks[sha].phash for _, sha in unique], data.max_phash_distance)
    kept = [
        LabelledImage(file, sha, checks[sha], group, _others(files_by_sha[sha], file))
        for (file, sha), group in zip(unique, groups, strict=True)
    ]
    present = {file.label for file, _ in unique}
    classes = [label for label in chosen if label in present]
    inventory = sorted(left_out + dropped + _near_duplicates(kept))
    return Dataset(classes, kept, inventory, unused, relabelled, labelled.split_column)


def _layout(data: Data) -> tuple[str, TableColumns]:
    """The layout and the columns that the params say. A table, or its columns, mean csv."""
    columns = TableColumns(data.file_column, data.label_column)
    has_table = data.table or columns != TableColumns()
    return "csv" if has_table else data.layout, columns


def _tables(members: Members, others: Sequence[str], data: Data) -> dict[str, bytes]:
    """The tables of the source, or the one that `data.table` names, by path."""
    if data.table is None:
        return {path: members.read(path) for path in others if is_table(path)}
    if (path := data.local_table()) is not None:
        return {data.table: path.read_bytes()}
    if data.table not in others:
        raise ThawError(
            f"data.table must be a file, or one inside data.source, but {data.table} is neither: "
            f"check the path, from {Path.cwd()} or inside {data.source}; inside there are "
            f"{listing(filter(is_table, others))}"
        )
    return {data.table: members.read(data.table)}


def choose_classes(labelled: Labelled, wanted: Sequence[str]) -> list[str]:
    """Return `wanted`, or all classes by name if it is empty.

    Raises ThawError unless there are two classes or more, and, if each is a folder, exactly one
    of each. Warns if a class is called like a split.
    """
    folders = class_folders(labelled.files)
    found = listing(folders)
    if unknown := [label for label in wanted if label not in folders]:
        raise ThawError(
            f"data.classes must name classes of the data, but {listing(unknown)} does not exist; "
            f"found: {found}"
        )
    chosen = list(wanted) or sorted(folders)
    if len(chosen) < 2:
        raise ThawError(
            f"at least two different classes are needed, but there is {found}; layout "
            f"{labelled.layout} found: {labelled.why}: add a class, or correct data.layout"
        )
    for label in chosen:
        if labelled.layout == "folders" and len(folders[label]) > 1:
            raise ThawError(
                f"a class must be one folder, but {label} is {len(folders[label])}: "
                f"{' and '.join(folders[label])}; let data.source hold one of them, or set "
                "data.layout to splits if these are splits"
            )
    if like_splits := [label for label in chosen if is_like_a_split(label)]:
        log.warning(
            "classes are called like splits: %s; is data.layout right?", listing(like_splits)
        )
    return chosen


def check_images(
    members: Members,
    files_by_sha: dict[str, list[SourceFile]],
    limit: int | None,
    max_megapixels: float,
    workers: int,
) -> dict[str, ImageCheck]:
    """Validate each distinct file, by SHA-256; with a limit, only as many as it takes."""
    queues: dict[str, list[str]] = {}  # by label, in order of SHA-256
    ambiguous: list[str] = []  # files with several labels; left out, so no limit counts them
    for sha in sorted(files_by_sha):
        labels = {file.label for file in files_by_sha[sha]}
        (queues.setdefault(min(labels), []) if len(labels) == 1 else ambiguous).append(sha)
    checks: dict[str, ImageCheck] = {}
    work = partial(check_shard, max_megapixels=max_megapixels)
    due = ambiguous + [sha for queue in queues.values() for sha in queue[:limit]]
    while due:
        due.sort(key=lambda sha: files_by_sha[sha][0].path)
        data = (members.read(files_by_sha[sha][0].path) for sha in due)
        bar = tqdm(
            map_shards(work, data, SHARD_SIZE, workers, len),
            desc="decoding",
            total=len(due),
            unit="image",
            disable=None,
        )
        checks.update(zip(due, bar, strict=True))
        due = [sha for queue in queues.values() for sha in _replacements(queue, checks, limit)]
    return checks


def _replacements(queue: list[str], checks: dict[str, ImageCheck], limit: int | None) -> list[str]:
    """The next files of a class, one for each unusable file that the limit counted."""
    unchecked = [sha for sha in queue if sha not in checks]
    usable = sum(not checks[sha].reason for sha in queue if sha in checks)
    return unchecked[: limit - usable] if limit is not None else unchecked


def deduplicate(
    files_by_sha: dict[str, list[SourceFile]], checks: dict[str, ImageCheck]
) -> tuple[list[tuple[SourceFile, str]], list[InventoryRow]]:
    """Return one (file, SHA-256) for each usable image, sorted by name, and what was left out.

    Of identical files, the first by rank and name stays. Identical files with different labels
    are all left out, because nothing tells which label is right.
    """
    unique, left_out = [], []
    for sha, check in checks.items():
        first, *copies = files = sorted(files_by_sha[sha], key=lambda file: (file.rank, file.name))
        if check.reason:
            left_out += [_row(file, check.reason, check.detail) for file in files]
        elif len({file.label for file in files}) > 1:
            same = " = ".join(file.name for file in files)
            left_out += [_row(file, "two labels", same) for file in files]
        else:
            unique.append((first, sha))
            left_out += [_row(copy, "duplicate", f"of {first.name}") for copy in copies]
    return sorted(unique), left_out


def _near_duplicates(images: Sequence[LabelledImage]) -> list[InventoryRow]:
    sizes = Counter(image.group for image in images)
    return [
        _row(image.file, "near duplicate", f"group {image.group}")
        for image in images
        if sizes[image.group] > 1
    ]


def drop_small_classes(
    unique: Sequence[tuple[SourceFile, str]],
    classes: Sequence[str],
    min_per_class: int | None,
    left_out: Sequence[InventoryRow],
) -> tuple[list[tuple[SourceFile, str]], list[InventoryRow]]:
    """Return the images of classes with `min_per_class` images or more, and rows for the others.

    Raises ThawError if a class has fewer than MIN_PER_CLASS and `min_per_class` is None, or if
    fewer than two classes are left.
    """
    sizes = Counter(file.label for file, _ in unique)
    least = min_per_class or MIN_PER_CLASS
    small = {label: sizes[label] for label in classes if sizes[label] < least}
    if small and (min_per_class is None or len(small) > len(classes) - 2):
        raise _too_small(small, min_per_class, Counter(row.reason for row in left_out))
    if small:
        log.warning(
            "data.min_per_class = %d drops %d classes with %d images: %s",
            least, len(small), sum(small.values()), ", ".join(_sizes(small)),
        )  # fmt: skip
    kept = [(file, sha) for file, sha in unique if file.label not in small]
    detail = f"data.min_per_class is {least}"
    return kept, [_row(file, "small class", detail) for file, _ in unique if file.label in small]


def _too_small(
    small: dict[str, int], min_per_class: int | None, reasons: Counter[str]
) -> ThawError:
    found = listing(_sizes(small))
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
    if min_per_class is None:
        return ThawError(
            f"a class needs at least {MIN_PER_CLASS} usable images, but {found} (left out: "
            f"{left_out}): add images, raise data.limit_per_class, choose with data.classes, or "
            f"set data.min_per_class, such as {MIN_PER_CLASS}, to drop small classes"
        )
    return ThawError(
        f"two classes need at least data.min_per_class = {min_per_class} usable images, but "
        f"{found} (left out: {left_out}): add images, or lower data.min_per_class"
    )


def _sizes(small: dict[str, int]) -> list[str]:
    return [f"{label} has {count}" for label, count in small.items()]


def _skipped(path: str) -> InventoryRow:
    """The row of a file that is no image, or hidden."""
    inside = PurePosixPath(path)
    label, suffix = inside.parent.name, inside.suffix
    name = f"{label}/{inside.name}" if label else inside.name
    hidden_image = is_hidden(path) and suffix.lower() in SUFFIXES
    return InventoryRow(name, label, "hidden" if hidden_image else "not an image file", suffix)


def _others(files: Sequence[SourceFile], one: SourceFile) -> list[SourceFile]:
    return sorted(file for file in files if file != one)


def _row(file: SourceFile, reason: str, detail: str) -> InventoryRow:
    return InventoryRow(file.name, file.label, reason, detail)


def _by_sha256(members: Members, files: Sequence[SourceFile]) -> dict[str, list[SourceFile]]:
    """The files by the SHA-256 of their content."""
    found: dict[str, list[SourceFile]] = {}
    for file in tqdm(files, desc="reading", unit="image", disable=None):
        sha = hashlib.sha256(members.read(file.path)).hexdigest()
        found.setdefault(sha, []).append(file)
    return found
