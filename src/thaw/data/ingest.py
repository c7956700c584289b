"""From the files of a source to clean, unique, grouped images in one table."""

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

SHARD = 32  # images a process judges at a time
FEWEST = 10  # usable images of a class, below which no split has enough of it
SCHEMA = pa.schema(
    [
        ("name", pa.string()),  # class folder / file name
        ("label", pa.string()),
        ("bytes", pa.binary()),  # as they were found
        ("width", pa.int32()),  # pixels of the upright image
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("phash", pa.string()),
        ("group", pa.string()),
    ]
)


@dataclass(frozen=True, order=True)
class File:
    """A file of the source: `name` is its folder's and its own name, `path` its whole path."""

    name: str
    label: str
    path: str


@dataclass(frozen=True, order=True)
class Remark:
    """A line of the inventory: what was left out, or is remarkable, and why."""

    name: str
    label: str
    reason: str
    detail: str


@dataclass(frozen=True)
class LabelledImage:
    """A usable image, with its label."""

    file: File
    sha256: str
    check: ImageCheck
    group: str


@dataclass(frozen=True)
class Collection:
    """What ingest found: the usable images and the remarks, both sorted by name."""

    classes: list[str]
    images: list[LabelledImage]
    remarks: list[Remark]


def collect(
    members: Members,
    classes: Sequence[str],
    limit_per_class: int | None,
    max_megapixels: float,
    max_phash_distance: int,
    workers: int,
) -> Collection:
    """Read, check_images and group every image of the chosen classes.

    With a limit, the images of a class are taken in the order of their SHA-256, which is as
    good as random and has nothing to do with file names, and no more are decoded than it needs.
    Raises ThawError when the classes are not there, are ambiguous, or are too small.
    """
    files, remarks = sort_files(members.paths())
    chosen = choose_classes(files, classes)
    files = [file for file in files if file.label in chosen]
    contents: dict[str, list[File]] = {}
    for file in tqdm(files, desc="reading", unit="image", disable=None):
        contents.setdefault(_sha256(members, file), []).append(file)
    checks = check_images(members, contents, limit_per_class, max_megapixels, workers)
    kept, found = deduplicate(contents, checks)
    _check_enough(kept, chosen, found)
    names = [file.name for file, _ in kept]
    groups = group_names(names, [checks[sha].phash for _, sha in kept], max_phash_distance)
    images = [
        LabelledImage(file, sha, checks[sha], group)
        for (file, sha), group in zip(kept, groups, strict=True)
    ]
    return Collection(chosen, images, sorted(remarks + found + _alike(images)))


def sort_files(paths: Sequence[str]) -> tuple[list[File], list[Remark]]:
    """Tell image files, by suffix, from other files; hidden files are never images."""
    files, remarks = [], []
    for text in paths:
        path = PurePosixPath(text)
        label = path.parent.name
        name = f"{label}/{path.name}" if label else path.name
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if hidden or path.suffix.lower() not in SUFFIXES:
            remarks.append(Remark(name, label, "not an image file", path.suffix))
        elif not label:
            remarks.append(Remark(name, "", "no class folder", ""))
        else:
            files.append(File(name, label, text))
    return sorted(files), remarks


def choose_classes(files: Sequence[File], wanted: Sequence[str]) -> list[str]:
    """The wanted classes in their order, or all by name; raises ThawError when that cannot be."""
    folders: dict[str, set[str]] = {}
    for file in files:
        folders.setdefault(file.label, set()).add(str(PurePosixPath(file.path).parent))
    found = ", ".join(sorted(folders)) or "none"
    if unknown := [label for label in wanted if label not in folders]:
        raise ThawError(
            f"data.classes must name class folders, but there is no {', '.join(unknown)}; "
            f"found: {found}"
        )
    chosen = list(wanted) or sorted(folders)
    if len(set(chosen)) < max(2, len(chosen)):
        raise ThawError(
            f"two classes or more are needed, each once, but there is "
            f"{', '.join(chosen) or 'none'}; class folders found: {found}: put the images of "
            "each class into a folder of its own, or correct data.classes"
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
    contents: dict[str, list[File]],
    limit: int | None,
    max_megapixels: float,
    workers: int,
) -> dict[str, ImageCheck]:
    """A check for each content, by its SHA-256; with a limit only for as many as it takes."""
    queues: dict[str, list[str]] = {}
    several: list[str] = []  # contents under several labels, which are always judged
    for sha in sorted(contents):
        labels = {file.label for file in contents[sha]}
        (queues.setdefault(min(labels), []) if len(labels) == 1 else several).append(sha)
    checks: dict[str, ImageCheck] = {}
    work = partial(check_shard, max_megapixels=max_megapixels)
    due = several + [sha for queue in queues.values() for sha in queue[:limit]]
    while due:
        due.sort(key=lambda sha: contents[sha][0].path)
        data = (members.read(contents[sha][0].path) for sha in due)
        bar = tqdm(
            map_shards(work, data, SHARD, workers),
            desc="decoding",
            total=len(due),
            unit="image",
            disable=None,
        )
        checks.update(zip(due, bar, strict=True))
        due = [sha for queue in queues.values() for sha in _next(queue, checks, limit)]
    return checks


def _next(queue: list[str], checks: dict[str, ImageCheck], limit: int | None) -> list[str]:
    """What to check_images to make up for the unusable ones."""
    waiting = [sha for sha in queue if sha not in checks]
    usable = sum(not checks[sha].reason for sha in queue if sha in checks)
    return waiting[: limit - usable] if limit is not None else waiting


def deduplicate(
    contents: dict[str, list[File]], checks: dict[str, ImageCheck]
) -> tuple[list[tuple[File, str]], list[Remark]]:
    """One file of each usable content with its SHA-256, by name, and remarks on the others.

    Of equal files the first by name is kept; equal files under two labels are all left out, as
    nothing tells which label is right.
    """
    kept, remarks = [], []
    for sha, check in checks.items():
        first, *copies = files = sorted(contents[sha])
        if check.reason:
            remarks += [_remark(file, check.reason, check.detail) for file in files]
        elif len({file.label for file in files}) > 1:
            same = " = ".join(file.name for file in files)
            remarks += [_remark(file, "two labels", same) for file in files]
        else:
            kept.append((first, sha))
            remarks += [_remark(copy, "duplicate", f"of {first.name}") for copy in copies]
    return sorted(kept), remarks


def _alike(images: Sequence[LabelledImage]) -> list[Remark]:
    sizes = Counter(image.group for image in images)
    return [
        _remark(image.file, "near duplicate", f"group {image.group}")
        for image in images
        if sizes[image.group] > 1
    ]


def _check_enough(
    kept: Sequence[tuple[File, str]], classes: Sequence[str], remarks: Sequence[Remark]
) -> None:
    sizes = Counter(file.label for file, _ in kept)
    if few := [f"{label} has {sizes[label]}" for label in classes if sizes[label] < FEWEST]:
        reasons = Counter(remark.reason for remark in remarks)
        left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
        raise ThawError(
            f"a class needs {FEWEST} usable images or more, but {', '.join(few)} (left out: "
            f"{left_out}): add images, raise data.limit_per_class, or choose with data.classes"
        )


def _remark(file: File, reason: str, detail: str) -> Remark:
    return Remark(file.name, file.label, reason, detail)


def _sha256(members: Members, file: File) -> str:
    return hashlib.sha256(members.read(file.path)).hexdigest()


def summary(collection: Collection) -> dict[str, Any]:
    """The numbers of metrics/ingest.json; what is kept is not counted as left out."""
    sizes = Counter(image.file.label for image in collection.images)
    reasons = Counter(remark.reason for remark in collection.remarks)
    del reasons["near duplicate"]
    return {
        "images": len(collection.images),
        "classes": {label: sizes[label] for label in collection.classes},
        "groups": len({image.group for image in collection.images}),
        "left_out": dict(sorted(reasons.items())),
    }


def write_images(path: Path, members: Members, collection: Collection) -> None:
    """Write the table of usable images; raises ThawError when a file changed meanwhile.

    The members are read once more, so that no more than a row group is ever in memory.
    """
    bar = tqdm(collection.images, desc="writing", unit="image", disable=None)
    with atomic_write(path) as temporary:
        write_table(temporary, SCHEMA, _rows(members, bar), collection.classes)


def _rows(members: Members, images: Iterable[LabelledImage]) -> Iterator[dict[str, Any]]:
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


def write_inventory(path: Path, remarks: Sequence[Remark]) -> None:
    """Write the remarks as CSV: name, label, reason, detail."""
    rows = [(r.name, r.label, r.reason, r.detail) for r in remarks]
    table = pd.DataFrame(rows, columns=["name", "label", "reason", "detail"])
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def examples(
    members: Members, collection: Collection, classes: int, each: int
) -> list[tuple[str, list[bytes]]]:
    """Encoded images of the first classes, each class with its size, in order of SHA-256."""
    shown = []
    for label in collection.classes[:classes]:
        own = [image for image in collection.images if image.file.label == label]
        own.sort(key=lambda image: image.sha256)
        shown.append((f"{label}\n{len(own)}", [members.read(p.file.path) for p in own[:each]]))
    return shown
