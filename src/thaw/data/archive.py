"""The files of a folder, a zip or a tar, read into memory one by one and never extracted."""

import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from thaw.errors import ThawError

MEMBER_BYTES = 256 * 2**20  # a 50-megapixel BMP with alpha has 200 MB; a member is read whole
TOTAL_BYTES = 64 * 2**30  # a million photographs of 64 KiB
RATIO = 200  # photographs hardly shrink, drawings tenfold; a bomb shrinks a thousandfold
RATIO_FROM = 2**20  # bytes; what unpacks to less is harmless at any ratio

UNIX = 3  # the zip's `create_system` whose attributes hold a file type
ENCRYPTED = 0x1


class Members(Protocol):
    """Files of a source by their path inside it, with forward slashes."""

    def paths(self) -> list[str]:
        """All files, sorted."""
        ...

    def read(self, path: str) -> bytes:
        """One file's content."""
        ...


class Folder:
    """The files below a folder; links to folders are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def paths(self) -> list[str]:
        """All files, sorted; a name that cannot be printed raises ThawError."""
        found = [
            (Path(folder) / name).relative_to(self._root).as_posix()
            for folder, _, names in os.walk(self._root)
            for name in names
        ]
        return sorted(_checked_text(path, self._root) for path in found)

    def read(self, path: str) -> bytes:
        """One file's content."""
        return (self._root / path).read_bytes()


class Zip:
    """The members of a zip, each checked before any is read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        budget = Budget(path)
        for info in archive.infolist():
            name = _checked_name(info.filename, path)
            kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(path, info.filename, "is a link or a device")
            if info.flag_bits & ENCRYPTED:
                raise _refused(path, info.filename, "is encrypted")
            if info.is_dir():
                continue
            budget.spend(info.filename, info.file_size, info.compress_size)
            if name in self._members:
                raise _refused(path, info.filename, "is there twice")
            self._members[name] = info

    def paths(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._members)

    def read(self, path: str) -> bytes:
        """One file's content; its checksum is checked."""
        try:
            return self._archive.read(self._members[path])
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as problem:
            raise _damaged(self._path, f"{path}: {problem}") from None


class Tar:
    """The members of a tar, compressed or not.

    A compressed tar can only be read from front to back, so the members' bytes are kept in one
    nameless temporary file that disappears with this process.
    """

    def __init__(self, path: Path, store: IO[bytes]) -> None:
        self._store = store
        self._places: dict[str, tuple[int, int]] = {}
        budget = Budget(path)
        with tarfile.open(path, "r|*") as archive:
            for info in archive:
                name = _checked_name(info.name, path)
                if info.isdir():
                    continue
                if not info.isreg():
                    raise _refused(path, info.name, "is a link or a device")
                budget.spend(info.name, info.size, info.size)
                if name in self._places:
                    raise _refused(path, info.name, "is there twice")
                content = archive.extractfile(info)
                if content is None:
                    raise _damaged(path, info.name)
                self._places[name] = (store.tell(), info.size)
                store.write(content.read())

    def paths(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._places)

    def read(self, path: str) -> bytes:
        """One file's content."""
        start, size = self._places[path]
        self._store.seek(start)
        return self._store.read(size)


class Budget:
    """What an archive may unpack to: MEMBER_BYTES, TOTAL_BYTES and RATIO."""

    def __init__(self, path: Path) -> None:
        self._path, self._packed, self._total = path, path.stat().st_size, 0

    def spend(self, name: str, size: int, packed: int) -> None:
        """Count one member; raises ThawError that names it when it or the total is absurd."""
        self._total += size
        if size > MEMBER_BYTES:
            raise _refused(self._path, name, f"unpacks to {size} bytes, above {MEMBER_BYTES}")
        if self._total > TOTAL_BYTES:
            raise _refused(self._path, name, f"brings the total above {TOTAL_BYTES} bytes")
        for unpacked, held, what in (
            (size, packed, "unpacks"),
            (self._total, self._packed, "brings the archive"),
        ):
            if unpacked > RATIO_FROM and unpacked > RATIO * held:
                raise _refused(self._path, name, f"{what} to more than {RATIO} times its size")


@contextmanager
def open_members(path: Path) -> Iterator[Members]:
    """Open a folder, zip or tar for reading.

    Raises ThawError when it is none of these, damaged, or holds a member that is not safe:
    an absolute path, `..`, a link, a device, an encrypted one, or one that unpacks to too much.
    """
    if path.is_dir():
        yield Folder(path)
    elif zipfile.is_zipfile(path):
        with _open_zip(path) as archive:
            yield Zip(path, archive)
    elif _is_tar(path):
        with tempfile.TemporaryFile() as store:
            yield _open_tar(path, store)
    else:
        with path.open("rb") as stream:
            start = stream.read(12)
        raise ThawError(
            f"data.source must be a folder, a zip or a tar, but {path} is none of them, or is cut "
            f"short (it starts with {start!r}): fetch it again, or pack the class folders afresh"
        )


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as problem:
        raise _damaged(path, str(problem)) from None


def _open_tar(path: Path, store: IO[bytes]) -> Tar:
    try:
        return Tar(path, store)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as problem:
        raise _damaged(path, str(problem)) from None


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (EOFError, OSError, zlib.error):  # a compressed tar that is cut short
        return True


def _checked_name(name: str, archive: Path) -> str:
    path = _checked_text(name.replace("\\", "/"), archive)
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        raise _refused(archive, name, "points outside the archive")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _checked_text(path: str, source: Path) -> str:
    if not path.isprintable():
        raise ThawError(f"file names must be printable, but {source} holds {path!r}: rename it")
    return path


def _refused(archive: Path, member: str, what: str) -> ThawError:
    return ThawError(
        f"{archive} is not safe to open: its member {member!r} {what}; pack the images afresh"
    )


def _damaged(archive: Path, what: str) -> ThawError:
    return ThawError(f"{archive} is damaged ({what}): fetch or pack it again")
