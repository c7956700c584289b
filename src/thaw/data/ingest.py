"""Turn the files of a source into one table of valid, unique, grouped images."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from thaw.data.archive import Members
from thaw.data.duplicates import group_names
from thaw.data.tables import write_table
from thaw.data.validate import SUFFIXES, ImageCheck, check_shard
from thaw.errors import ThawError
from thaw.files import atomic_write
from thaw.parallel import map_shards

SHARD_SIZE = 32  # images
MIN_PER_CLASS = 10  # images; with fewer, a split cannot hold each class
SCHEMA = pa.schema(
    [
        ("name", pa.string()),  # class folder / file name
        ("label", pa.string()),
        ("bytes", pa.binary()),  # the file, unchanged
        ("width", pa.int32()),  # pixels, after EXIF rotation
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("phash", pa.string()),
        ("group", pa.string()),
    ]
)


@dataclass(frozen=True, order=True)
class SourceFile:
    """A file of the source. `name` is class folder / file name, `path` the path in the source."""

    name: str
    label: str
    path: str


@dataclass(frozen=True, order=True)
class InventoryRow:
    """A file that was left out, or that has near duplicates, and why."""

    name: str
    label: str
    reason: str
    detail: str


@dataclass(frozen=True)
class LabelledImage:
    """A usable image."""

    file: SourceFile
    sha256: str
    check: ImageCheck
    group: str


@dataclass(frozen=True)
class Dataset:
    """The usable images and the inventory, both sorted by name."""

    classes: list[str]
    images: list[LabelledImage]
    inventory: list[InventoryRow]


def collect(
    members: Members,
    classes: Sequence[str],
    limit_per_class: int | None,
    max_megapixels: float,
    max_phash_distance: int,
    workers: int,
) -> Dataset:
    """Read, validate, deduplicate and group all images of `classes`, or of all class folders.

    A limit takes the images of a class in order of their SHA-256, a reproducible random order
    that is independent of file names, and stops decoding when it is reached. Raises ThawError
    if a class is missing, ambiguous or too small.
    """
    files, skipped = find_images(members.paths())
    chosen = choose_classes(files, classes)
    files = [file for file in files if file.label in chosen]
    files_by_sha: dict[str, list[SourceFile]] = {}
    for file in tqdm(files, desc="reading", unit="image", disable=None):
        files_by_sha.setdefault(_sha256(members, file), []).append(file)
    checks = check_images(members, files_by_sha, limit_per_class, max_megapixels, workers)
    unique, left_out = deduplicate(files_by_sha, checks)
    _check_class_sizes(unique, chosen, left_out)
    names = [file.name for file, _ in unique]
    groups = group_names(names, [checks[sha].phash for _, sha in unique], max_phash_distance)
    images = [
        LabelledImage(file, sha, checks[sha], group)
        for (file, sha), group in zip(unique, groups, strict=True)
    ]
    return Dataset(chosen, images, sorted(skipped + left_out + _near_duplicates(images)))


def find_images(paths: Sequence[str]) -> tuple[list[SourceFile], list[InventoryRow]]:
    """Separate image files, by suffix, from the rest. Hidden files are never images."""
    files, skipped = [], []
    for text in paths:
        path = PurePosixPath(text)
        label = path.parent.name
        name = f"{label}/{path.name}" if label else path.name
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if hidden or path.suffix.lower() not in SUFFIXES:
            skipped.append(InventoryRow(name, label, "not an image file", path.suffix))
        elif not label:
            skipped.append(InventoryRow(name, "", "no class folder", ""))
        else:
            files.append(SourceFile(name, label, text))
    return sorted(files), skipped


def choose_classes(files: Sequence[SourceFile], wanted: Sequence[str]) -> list[str]:
    """Return `wanted`, or all class folders by name if it is empty.

    Raises ThawError unless there are two classes or more, each the name of exactly one folder.
    """
    folders: dict[str, set[str]] = {}
    for file in files:
        folders.setdefault(file.label, set()).add(str(PurePosixPath(file.path).parent))
    found = ", ".join(sorted(folders)) or "none"
    if unknown := [label for label in wanted if label not in folders]:
        raise ThawError(
            f"data.classes must name class folders, but {', '.join(unknown)} does not exist; "
            f"found: {found}"
        )
    chosen = list(wanted) or sorted(folders)
    if len(set(chosen)) < max(2, len(chosen)):
        raise ThawError(
            f"at least two different classes are needed, but there is "
            f"{', '.join(chosen) or 'none'}; class folders found: {found}: put the images of "
            "each class into its own folder, or correct data.classes"
        )
    for label in chosen:
        if len(folders[label]) > 1:
            raise ThawError(
                f"a class must be one folder, but {label} is {len(folders[label])}: "
                f"{' and '.join(sorted(folders[label]))}; let data.source hold one of them"
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
            map_shards(work, data, SHARD_SIZE, workers),
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

    Of identical files, the first by name stays. Identical files with different labels are all
    left out, because nothing tells which label is right.
    """
    unique, left_out = [], []
    for sha, check in checks.items():
        first, *copies = files = sorted(files_by_sha[sha])
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


def _check_class_sizes(
    unique: Sequence[tuple[SourceFile, str]],
    classes: Sequence[str],
    left_out: Sequence[InventoryRow],
) -> None:
    sizes = Counter(file.label for file, _ in unique)
    if few := [f"{label} has {sizes[label]}" for label in classes if sizes[label] < MIN_PER_CLASS]:
        reasons = Counter(row.reason for row in left_out)
        listed = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
        raise ThawError(
            f"a class needs at least {MIN_PER_CLASS} usable images, but {', '.join(few)} (left "
            f"out: {listed}): add images, raise data.limit_per_class, or choose with data.classes"
        )


def _row(file: SourceFile, reason: str, detail: str) -> InventoryRow:
    return InventoryRow(file.name, file.label, reason, detail)


def _sha256(members: Members, file: SourceFile) -> str:
    return hashlib.sha256(members.read(file.path)).hexdigest()


def summary(dataset: Dataset) -> dict[str, Any]:
    """Count the images, the groups and what was left out, for data/ingest.json."""
    sizes = Counter(image.file.label for image in dataset.images)
    reasons = Counter(row.reason for row in dataset.inventory)
    del reasons["near duplicate"]  # these images are in the table
    return {
        "images": len(dataset.images),
        "classes": {label: sizes[label] for label in dataset.classes},
        "groups": len({image.group for image in dataset.images}),
        "left_out": dict(sorted(reasons.items())),
    }


def write_images(path: Path, members: Members, dataset: Dataset) -> None:
    """Write the table of usable images. Raises ThawError if a file changed since it was checked.

    The files are read again, so that only one row group is in memory at a time.
    """
    bar = tqdm(dataset.images, desc="writing", unit="image", disable=None)
    with atomic_write(path) as temporary:
        write_table(temporary, SCHEMA, _table_rows(members, bar), dataset.classes)


def _table_rows(members: Members, images: Iterable[LabelledImage]) -> Iterator[dict[str, Any]]:
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
        }


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
