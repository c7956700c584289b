"""Read the files of a folder, a zip or a tar into memory, one by one, without extracting them."""

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

MAX_MEMBER_BYTES = 256 * 2**20  # a 50-megapixel BMP with alpha has 200 MB; each is read in one go
MAX_TOTAL_BYTES = 64 * 2**30  # a million photographs of 64 KiB
MAX_RATIO = 200  # photographs hardly compress, drawings tenfold, zip bombs a thousandfold
RATIO_MIN_BYTES = 2**20  # smaller unpacked sizes are harmless at any ratio

ZIP_UNIX = 3  # `create_system` of zips whose external attributes hold a Unix file type
ZIP_ENCRYPTED = 0x1  # flag bit


class Members(Protocol):
    """The files of a source, addressed by their path inside it, with forward slashes."""

    def paths(self) -> list[str]:
        """Paths of all files, sorted."""
        ...

    def read(self, path: str) -> bytes:
        """Content of one file."""
        ...


class Folder:
    """The files below a folder. Links to folders are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def paths(self) -> list[str]:
        """Paths of all files, sorted. Raises ThawError if a name is not printable."""
        found = [
            (Path(folder) / name).relative_to(self._root).as_posix()
            for folder, _, names in os.walk(self._root)
            for name in names
        ]
        return sorted(_check_printable(path, self._root) for path in found)

    def read(self, path: str) -> bytes:
        """Content of one file."""
        return (self._root / path).read_bytes()


class Zip:
    """The members of a zip. All members are checked before any is read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        limits = SizeLimits(path)
        for info in archive.infolist():
            name = _normalize_name(info.filename, path)
            file_type = (
                stat.S_IFMT(info.external_attr >> 16) if info.create_system == ZIP_UNIX else 0
            )
            if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(path, info.filename, "is a link or a device")
            if info.flag_bits & ZIP_ENCRYPTED:
                raise _unsafe(path, info.filename, "is encrypted")
            if info.is_dir():
                continue
            limits.add(info.filename, info.file_size, info.compress_size)
            if name in self._members:
                raise _unsafe(path, info.filename, "appears twice")
            self._members[name] = info

    def paths(self) -> list[str]:
        """Paths of all files, sorted."""
        return sorted(self._members)

    def read(self, path: str) -> bytes:
        """Content of one file. Raises ThawError if its checksum does not match."""
        try:
            return self._archive.read(self._members[path])
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise _damaged(self._path, f"{path}: {error}") from None


class Tar:
    """The members of a tar, compressed or not.

    A compressed tar allows no random access, so all members are copied to `store`, an anonymous
    temporary file.
    """

    def __init__(self, path: Path, store: IO[bytes]) -> None:
        self._store = store
        self._offsets: dict[str, tuple[int, int]] = {}  # offset and size in `store`, bytes
        limits = SizeLimits(path)
        with tarfile.open(path, "r|*") as archive:
            for info in archive:
                name = _normalize_name(info.name, path)
                if info.isdir():
                    continue
                if not info.isreg():
                    raise _unsafe(path, info.name, "is a link or a device")
                limits.add(info.name, info.size, info.size)
                if name in self._offsets:
                    raise _unsafe(path, info.name, "appears twice")
                content = archive.extractfile(info)
                if content is None:
                    raise _damaged(path, info.name)
                self._offsets[name] = (store.tell(), info.size)
                store.write(content.read())

    def paths(self) -> list[str]:
        """Paths of all files, sorted."""
        return sorted(self._offsets)

    def read(self, path: str) -> bytes:
        """Content of one file."""
        start, size = self._offsets[path]
        self._store.seek(start)
        return self._store.read(size)


class SizeLimits:
    """Checks the members of an archive against MAX_MEMBER_BYTES, MAX_TOTAL_BYTES and MAX_RATIO."""

    def __init__(self, path: Path) -> None:
        self._path, self._archive_bytes, self._total = path, path.stat().st_size, 0

    def add(self, name: str, size: int, packed: int) -> None:
        """Add one member of `size` bytes, `packed` when compressed.

        Raises ThawError if the member, or the total so far, exceeds a limit.
        """
        self._total += size
        if size > MAX_MEMBER_BYTES:
            raise _unsafe(
                self._path, name, f"unpacks to {size} bytes, over the limit of {MAX_MEMBER_BYTES}"
            )
        if self._total > MAX_TOTAL_BYTES:
            raise _unsafe(
                self._path, name, f"brings the total over the limit of {MAX_TOTAL_BYTES} bytes"
            )
        for unpacked, compressed, what in (
            (size, packed, "unpacks"),
            (self._total, self._archive_bytes, "brings the archive"),
        ):
            if unpacked > RATIO_MIN_BYTES and unpacked > MAX_RATIO * compressed:
                raise _unsafe(
                    self._path, name, f"{what} to more than {MAX_RATIO} times its compressed size"
                )


@contextmanager
def open_members(path: Path) -> Iterator[Members]:
    """Open a folder, zip or tar for reading.

    Raises ThawError if `path` is none of these, is damaged, or has an unsafe member: an absolute
    path, a path with `..`, a link, a device, an encrypted file, or one over the size limits.
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
            f"data.source must be a folder, a zip or a tar, but {path} is none of these or is "
            f"truncated (starts with {start!r}): get it again, or pack the class folders as a zip"
        )


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, str(error)) from None


def _open_tar(path: Path, store: IO[bytes]) -> Tar:
    try:
        return Tar(path, store)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _damaged(path, str(error)) from None


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (EOFError, OSError, zlib.error):  # a truncated compressed tar; reported when opened
        return True


def _normalize_name(name: str, archive: Path) -> str:
    path = _check_printable(name.replace("\\", "/"), archive)
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        raise _unsafe(archive, name, "has a path outside the archive")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _check_printable(path: str, source: Path) -> str:
    if not path.isprintable():
        raise ThawError(f"file names must be printable, but {source} has {path!r}: rename it")
    return path


def _unsafe(archive: Path, member: str, what: str) -> ThawError:
    return ThawError(f"{archive} is unsafe: member {member!r} {what}; repack the images")


def _damaged(archive: Path, what: str) -> ThawError:
    return ThawError(f"{archive} is damaged ({what}): download or pack it again")
