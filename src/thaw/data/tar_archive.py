"""Read tars, compressed or not, from start to end."""

import bz2
import gzip
import logging
import lzma
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from thaw.data.member_checks import SizeLimits, damaged, normalize_name, unsafe
from thaw.errors import ThawError

BLOCK = tarfile.BLOCKSIZE  # 512 bytes; headers and contents are padded to it
CHUNK = 2**20  # bytes copied at once
MAX_RECORDS_BYTES = 2**20  # of the records or the long name before a member

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {GZIP: gzip.open, BZIP2: bz2.open, XZ: lzma.open}
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
RECORDS = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
PATH, SIZE, SPARSE = b"path", b"size", b"GNU.sparse."  # keywords of records; the last, a prefix
KEPT = re.compile(rb"(path|size)\Z|GNU\.sparse\.")
RECORD = re.compile(rb"(\d{1,7}) ([^=]+)=")

log = logging.getLogger("thaw")


class Tar:
    """The members of a tar.

    A compressed tar allows no random access, so all members are copied to `store`, an anonymous
    temporary file. Every checksum there is gets verified on the way.
    """

    def __init__(self, path: Path, stream: IO[bytes], store: IO[bytes]) -> None:
        self._store = store
        self._offsets: dict[str, tuple[int, int]] = {}  # offset and size in `store`, bytes
        start = stream.read(BLOCK)
        stream.seek(0)
        if missing := _missing_checksums(start):
            log.warning(
                "%s is %s, which carries no checksums of contents and long names, so that damage "
                "to them cannot be seen: a zip or a tar.gz carries them",
                path,
                missing,
            )
        with closing(_unpacked(stream, start)) as unpacked:
            try:
                self._copy(path, TarWalk(path, unpacked))
            except OSError as error:
                raise ThawError(
                    f"a tar must be unpacked into {tempfile.gettempdir()}, but: {error.strerror}; "
                    "free space there, or set TMPDIR to another folder"
                ) from None

    def paths(self) -> list[str]:
        """Paths of all files, sorted."""
        return sorted(self._offsets)

    def read(self, path: str) -> bytes:
        """Content of one file."""
        start, size = self._offsets[path]
        self._store.seek(start)
        return self._store.read(size)

    def _copy(self, path: Path, walk: "TarWalk") -> None:
        for member, size in walk.members():
            name = normalize_name(member, path)
            if not name:
                raise unsafe(path, member, "has no name")
            if name in self._offsets:
                raise unsafe(path, member, "appears twice")
            self._offsets[name] = (self._store.tell(), size)
            for chunk in walk.content(size):
                self._store.write(chunk)
        self._store.flush()


class TarWalk:
    """Goes through an unpacked tar once, to its very end.

    Format: POSIX.1-2017, `pax`, "ustar Interchange Format" and "pax Interchange Format", with the
    long names of GNU. Of Python's `tarfile`, only the parser of single headers is used, because
    the rest takes a damaged header for the end, and trusts records and sparse maps.
    """

    def __init__(self, path: Path, unpacked: IO[bytes]) -> None:
        self._path, self._unpacked, self._position = path, unpacked, 0
        self._limits = SizeLimits(path)

    def members(self) -> Iterator[tuple[str, int]]:
        """Name and size of each file. Take its `content` before the next.

        Raises ThawError if the tar is damaged, has a link, a device or a sparse file, or exceeds
        the size limits.
        """
        everywhere: dict[bytes, bytes] = {}
        records: dict[bytes, bytes] | None = None  # for the next member
        while header := self._header():
            if header.type == tarfile.XGLTYPE:
                everywhere |= self._records(header)
            elif header.type in RECORDS + LONG_NAMES:
                records = (records or {}) | self._records(header)
            else:
                if member := self._check_member(header, everywhere | (records or {})):
                    yield member
                records = None
        if records is not None:
            raise self._damaged("no member follows a long name or record")
        self._check_end()

    def content(self, size: int) -> Iterator[bytes]:
        """The content of a member, in pieces."""
        for start in range(0, size, CHUNK):
            yield self._read(min(CHUNK, size - start))
        self._read(-size % BLOCK)

    def _check_member(
        self, header: tarfile.TarInfo, records: dict[bytes, bytes]
    ) -> tuple[str, int] | None:
        """Name and size of a file; None for a folder."""
        name = records.get(PATH, b"").decode("utf-8", "surrogateescape") or header.name
        digits = records.get(SIZE, b"%d" % header.size)
        normalize_name(name, self._path)
        if header.isdir():
            self._limits.add(name, BLOCK, BLOCK)  # may be repeated without end
            return None
        if header.type == tarfile.GNUTYPE_SPARSE or SPARSE in records:
            raise unsafe(self._path, name, "is a sparse file")
        if header.type not in FILES:
            raise unsafe(self._path, name, "is a link or a device")
        if not re.fullmatch(rb"\d{1,20}", digits):
            raise self._damaged(f"{name!r} has the size {digits[:20]!r}")
        self._limits.add(name, int(digits), int(digits))
        return name, int(digits)

    def _header(self) -> tarfile.TarInfo | None:
        """The next header; None at the zero block that ends the tar."""
        block = self._read(BLOCK)
        if not block.strip(b"\0"):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise self._damaged(f"{error} before byte {self._position}") from None

    def _records(self, header: tarfile.TarInfo) -> dict[bytes, bytes]:
        """The PATH, SIZE and SPARSE records of a pax header, or the PATH in a long name of GNU."""
        if not 0 <= header.size <= MAX_RECORDS_BYTES:
            raise self._damaged(f"a long name or record has {header.size} bytes")
        self._limits.add(header.name, BLOCK + header.size, BLOCK + header.size)
        data = b"".join(self.content(header.size))
        if header.type in LONG_NAMES:
            is_path = header.type == tarfile.GNUTYPE_LONGNAME
            return {PATH: data.partition(b"\0")[0]} if is_path else {}
        try:
            records = _parse_records(data)
            return {key[: len(SPARSE)]: value for key, value in records if KEPT.match(key)}
        except ValueError as error:
            raise self._damaged(f"{error} before byte {self._position}") from None

    def _check_end(self) -> None:
        """Unpack what is left, which verifies the last checksum, and see that it is zeros."""
        while rest := self._read_some(CHUNK):
            self._limits.add("after the end", len(rest), len(rest))
            if rest.strip(b"\0"):
                raise self._damaged("other bytes follow its end")

    def _read(self, size: int) -> bytes:
        data = self._read_some(size)
        if len(data) < size:
            raise self._damaged(f"it ends at byte {self._position}, without an end mark")
        return data

    def _read_some(self, size: int) -> bytes:
        try:
            data = self._unpacked.read(size)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(str(error)) from None
        self._position += len(data)
        return data

    def _damaged(self, what: str) -> ThawError:
        return damaged(self._path, what)


def is_tar(start: bytes) -> bool:
    """Whether a file with these first 512 bytes, or less, is compressed, or a tar."""
    if start.startswith(tuple(OPENERS)):
        return True
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def _unpacked(stream: IO[bytes], start: bytes) -> IO[bytes]:
    for magic, opener in OPENERS.items():
        if start.startswith(magic):
            return opener(stream)
    return stream


def _missing_checksums(start: bytes) -> str:
    """What a tar is, if a flipped bit of its contents would not be noticed; else empty."""
    if start.startswith(XZ):  # https://tukaani.org/xz/xz-file-format.txt, 2.1.1.2: Stream Flags
        check = start[7] & 0xF
        checked = check != lzma.CHECK_NONE and lzma.is_check_supported(check)
        return "" if checked else "an xz without a check"
    return "" if start.startswith((GZIP, BZIP2)) else "an uncompressed tar"


def _parse_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keywords and values of records, each `<length> <keyword>=<value>` and a newline."""
    position = 0
    while position < len(data):
        match = RECORD.match(data, position)
        end = position + int(match[1]) if match else position
        if not match or not match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ValueError("a record is malformed")
        yield match[2], data[match.end() : end - 1]
        position = end
