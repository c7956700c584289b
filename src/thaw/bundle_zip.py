"""Pack a bundle into a zip, the same bytes each time, and unpack one that anybody made."""

import io
import re
import shutil
import stat
import zipfile
from pathlib import Path
from typing import IO

from thaw.bundle import LABELS, MANIFEST, METRICS, MODEL, SEEN
from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained

# What a bundle has, in the order of its zip, with the most bytes: of a model those of a protobuf.
MOST_BYTES = {MANIFEST: 2**24, LABELS: 2**24, METRICS: 2**24, SEEN: 2**28, MODEL: 2**31}
MOST_MEMBERS = 1000  # of a zip; what is no part of a bundle is ignored
CHUNK_BYTES = 2**20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what these unpack to, zipfile bounds
UNIX = 3  # `create_system` of zips whose external attributes hold a Unix file type
ENCRYPTED = 0x1  # flag bit
ADVICE = "get it again, or pack it again with `thaw bundle pack`"


def pack(folder: Path, metrics: Path | None, path: Path) -> None:
    """Write the bundle in `folder`, and its `metrics`, if any, into the zip `path`, atomically.

    Without times, owners and compression: the same bundle and metrics give the same bytes.
    """
    files = {name: metrics if name == METRICS else folder / name for name in MOST_BYTES}
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, file in files.items():
            if file is None or not file.is_file():  # a bundle of format 0 may have no SEEN
                continue
            info = zipfile.ZipInfo(name)  # of 1 January 1980
            info.create_system, info.external_attr = UNIX, (stat.S_IFREG | 0o644) << 16
            info.file_size = file.stat().st_size
            with file.open("rb") as content, archive.open(info, "w") as member:
                shutil.copyfileobj(content, member)


def unpack(path: Path, folder: Path, origin: str) -> None:
    """Unpack what a bundle has, at the top of a zip or in one folder, into `folder`.

    origin: where the zip is from, for messages. Raises ThawError if it is damaged, has more or
    larger members than a bundle, or has a part twice, encrypted, or as a link.
    """
    with (
        damage_explained(origin, ADVICE),
        _ShortReads(path) as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        for name, member in _find(archive.infolist(), origin).items():
            with archive.open(member) as content:
                copy(content, folder / name, MOST_BYTES[name], f"{origin}/{name}")


def copy(content: IO[bytes], path: Path, most: int, origin: str) -> None:
    """Write `content` to `path`. Raises ThawError if it is longer than `most` bytes."""
    left = most
    with path.open("wb") as target:
        while chunk := content.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise _too_large(origin, most)
            target.write(chunk)


class _ShortReads(io.FileIO):
    """A file that is not read in long pieces, so that a zip's list of members is not either."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > CHUNK_BYTES:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size)


def _find(members: list[zipfile.ZipInfo], origin: str) -> dict[str, zipfile.ZipInfo]:
    """The members to unpack, by name, checked."""
    if len(members) > MOST_MEMBERS:
        raise ThawError(
            f"{origin} must have at most {MOST_MEMBERS} members, as the zip of a bundle, but has "
            f"{len(members)}: {ADVICE}"
        )
    manifests = [name for member in members if _is_manifest(name := member.filename)]
    if len(set(manifests)) != 1:
        raise ThawError(
            f"{origin} must have the {MANIFEST} of one bundle, at the top or in one folder, but "
            f"has {len(manifests)}: {ADVICE}"
        )
    top, found = manifests[0].removesuffix(MANIFEST), dict[str, zipfile.ZipInfo]()
    for member in members:
        name = member.filename.removeprefix(top)
        if name in MOST_BYTES and member.filename == top + name:
            if problem := "is there twice" if name in found else _problem(member):
                raise ThawError(f"{origin} is unsafe: {name} {problem}; {ADVICE}")
            if member.file_size > MOST_BYTES[name]:
                raise _too_large(f"{origin}/{name}", MOST_BYTES[name])
            found[name] = member
    return found


def _is_manifest(name: str) -> bool:
    return re.fullmatch(rf"(?!\.\.?/)([^/\\]+/)?{re.escape(MANIFEST)}", name) is not None


def _problem(member: zipfile.ZipInfo) -> str:
    """Why a member must not be unpacked; empty if it may be."""
    file_type = stat.S_IFMT(member.external_attr >> 16) if member.create_system == UNIX else 0
    if file_type not in (0, stat.S_IFREG):
        return "is a link or a device"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in METHODS:
        return f"is compressed by the unsupported method {member.compress_type}"
    return ""


def _too_large(part: str, most: int) -> ThawError:
    return ThawError(f"{part} must have at most {most:,} bytes, but has more: {ADVICE}")
