"""From the files of a source to clean, unique, grouped pictures in one table."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from thaw.data.archive import Members
from thaw.data.clean import SUFFIXES, Verdict, inspect_shard
from thaw.data.groups import group_names
from thaw.data.images import write_table
from thaw.data.shards import over_shards
from thaw.errors import ThawError
from thaw.files import whole

SHARD = 32  # pictures a process judges at a time
FEWEST = 10  # usable pictures of a class, below which no split has enough of it
SCHEMA = pa.schema(
    [
        ("name", pa.string()),  # class folder / file name
        ("label", pa.string()),
        ("bytes", pa.binary()),  # as they were found
        ("width", pa.int32()),  # pixels of the upright picture
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
class Picture:
    """A usable picture."""

    file: File
    sha256: str
    verdict: Verdict
    group: str


@dataclass(frozen=True)
class Collection:
    """What ingest found: the usable pictures and the remarks, both sorted by name."""

    classes: list[str]
    pictures: list[Picture]
    remarks: list[Remark]


def collect(
    members: Members,
    classes: Sequence[str],
    limit_per_class: int | None,
    max_megapixels: float,
    near_duplicate_bits: int,
    workers: int,
) -> Collection:
    """Read, judge and group every picture of the chosen classes.

    With a limit, the pictures of a class are taken in the order of their SHA-256, which is as
    good as random and has nothing to do with file names, and no more are decoded than it needs.
    Raises ThawError when the classes are not there, are ambiguous, or are too small.
    """
    files, remarks = sort_files(members.paths())
    chosen = choose_classes(files, classes)
    files = [file for file in files if file.label in chosen]
    contents: dict[str, list[File]] = {}
    for file in tqdm(files, desc="reading", unit="picture", disable=None):
        contents.setdefault(_sha256(members, file), []).append(file)
    verdicts = judge(members, contents, limit_per_class, max_megapixels, workers)
    kept, found = tell_apart(contents, verdicts)
    _check_enough(kept, chosen, found)
    names = [file.name for file, _ in kept]
    groups = group_names(names, [verdicts[sha].phash for _, sha in kept], near_duplicate_bits)
    pictures = [
        Picture(file, sha, verdicts[sha], group)
        for (file, sha), group in zip(kept, groups, strict=True)
    ]
    return Collection(chosen, pictures, sorted(remarks + found + _alike(pictures)))


def sort_files(paths: Sequence[str]) -> tuple[list[File], list[Remark]]:
    """Tell picture files, by suffix, from other files; hidden files are never pictures."""
    files, remarks = [], []
    for text in paths:
        path = PurePosixPath(text)
        label = path.parent.name
        name = f"{label}/{path.name}" if label else path.name
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if hidden or path.suffix.lower() not in SUFFIXES:
            remarks.append(Remark(name, label, "not a picture file", path.suffix))
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
            f"{', '.join(chosen) or 'none'}; class folders found: {found}: put the pictures of "
            "each class into a folder of its own, or correct data.classes"
        )
    for label in chosen:
        if len(folders[label]) > 1:
            raise ThawError(
                f"a class must be one folder, but {label} is {len(folders[label])}: "
                f"{' and '.join(sorted(folders[label]))}; let data.source hold one of them"
            )
    return chosen


def judge(
    members: Members,
    contents: dict[str, list[File]],
    limit: int | None,
    max_megapixels: float,
    workers: int,
) -> dict[str, Verdict]:
    """A verdict for each content, by its SHA-256; with a limit only for as many as it takes."""
    queues: dict[str, list[str]] = {}
    several: list[str] = []  # contents under several labels, which are always judged
    for sha in sorted(contents):
        labels = {file.label for file in contents[sha]}
        (queues.setdefault(min(labels), []) if len(labels) == 1 else several).append(sha)
    verdicts: dict[str, Verdict] = {}
    work = partial(inspect_shard, max_megapixels=max_megapixels)
    due = several + [sha for queue in queues.values() for sha in queue[:limit]]
    while due:
        due.sort(key=lambda sha: contents[sha][0].path)
        data = (members.read(contents[sha][0].path) for sha in due)
        bar = tqdm(
            over_shards(work, data, SHARD, workers),
            desc="decoding",
            total=len(due),
            unit="picture",
            disable=None,
        )
        verdicts.update(zip(due, bar, strict=True))
        due = [sha for queue in queues.values() for sha in _next(queue, verdicts, limit)]
    return verdicts


def _next(queue: list[str], verdicts: dict[str, Verdict], limit: int | None) -> list[str]:
    """What to judge to make up for the unusable ones."""
    waiting = [sha for sha in queue if sha not in verdicts]
    usable = sum(not verdicts[sha].reason for sha in queue if sha in verdicts)
    return waiting[: limit - usable] if limit is not None else waiting


def tell_apart(
    contents: dict[str, list[File]], verdicts: dict[str, Verdict]
) -> tuple[list[tuple[File, str]], list[Remark]]:
    """One file of each usable content with its SHA-256, by name, and remarks on the others.

    Of equal files the first by name is kept; equal files under two labels are all left out, as
    nothing tells which label is right.
    """
    kept, remarks = [], []
    for sha, verdict in verdicts.items():
        first, *copies = files = sorted(contents[sha])
        if verdict.reason:
            remarks += [_remark(file, verdict.reason, verdict.detail) for file in files]
        elif len({file.label for file in files}) > 1:
            same = " = ".join(file.name for file in files)
            remarks += [_remark(file, "two labels", same) for file in files]
        else:
            kept.append((first, sha))
            remarks += [_remark(copy, "duplicate", f"of {first.name}") for copy in copies]
    return sorted(kept), remarks


def _alike(pictures: Sequence[Picture]) -> list[Remark]:
    sizes = Counter(picture.group for picture in pictures)
    return [
        _remark(picture.file, "near duplicate", f"group {picture.group}")
        for picture in pictures
        if sizes[picture.group] > 1
    ]


def _check_enough(
    kept: Sequence[tuple[File, str]], classes: Sequence[str], remarks: Sequence[Remark]
) -> None:
    sizes = Counter(file.label for file, _ in kept)
    if few := [f"{label} has {sizes[label]}" for label in classes if sizes[label] < FEWEST]:
        reasons = Counter(remark.reason for remark in remarks)
        left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
        raise ThawError(
            f"a class needs {FEWEST} usable pictures or more, but {', '.join(few)} (left out: "
            f"{left_out}): add pictures, raise data.limit_per_class, or choose with data.classes"
        )


def _remark(file: File, reason: str, detail: str) -> Remark:
    return Remark(file.name, file.label, reason, detail)


def _sha256(members: Members, file: File) -> str:
    return hashlib.sha256(members.read(file.path)).hexdigest()


def summary(collection: Collection) -> dict[str, Any]:
    """The numbers of metrics/ingest.json; what is kept is not counted as left out."""
    sizes = Counter(picture.file.label for picture in collection.pictures)
    reasons = Counter(remark.reason for remark in collection.remarks)
    del reasons["near duplicate"]
    return {
        "pictures": len(collection.pictures),
        "classes": {label: sizes[label] for label in collection.classes},
        "groups": len({picture.group for picture in collection.pictures}),
        "left_out": dict(sorted(reasons.items())),
    }


def write_images(path: Path, members: Members, collection: Collection) -> None:
    """Write the table of usable pictures; raises ThawError when a file changed meanwhile.

    The members are read once more, so that no more than a row group is ever in memory.
    """
    bar = tqdm(collection.pictures, desc="writing", unit="picture", disable=None)
    with whole(path) as temporary:
        write_table(temporary, SCHEMA, _rows(members, bar), collection.classes)


def _rows(members: Members, pictures: Iterable[Picture]) -> Iterator[dict[str, Any]]:
    for picture in pictures:
        file, verdict = picture.file, picture.verdict
        data = members.read(file.path)
        if hashlib.sha256(data).hexdigest() != picture.sha256:
            raise ThawError(f"{file.path} changed while it was read: run ingest again")
        yield {
            "name": file.name,
            "label": file.label,
            "bytes": data,
            "width": verdict.width,
            "height": verdict.height,
            "sha256": picture.sha256,
            "phash": verdict.phash,
            "group": picture.group,
        }


def write_inventory(path: Path, remarks: Sequence[Remark]) -> None:
    """Write the remarks as CSV: name, label, reason, detail."""
    with whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["name", "label", "reason", "detail"])
        writer.writerows([r.name, r.label, r.reason, r.detail] for r in remarks)


def examples(
    members: Members, collection: Collection, classes: int, each: int
) -> list[tuple[str, list[bytes]]]:
    """Encoded pictures of the first classes, each class with its size, in order of SHA-256."""
    shown = []
    for label in collection.classes[:classes]:
        own = [picture for picture in collection.pictures if picture.file.label == label]
        own.sort(key=lambda picture: picture.sha256)
        shown.append((f"{label}\n{len(own)}", [members.read(p.file.path) for p in own[:each]]))
    return shown
