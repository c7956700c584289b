"""Read zips. Python's module reads their directory; unpacking is bounded and checked here."""

import bz2
import lzma
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from thaw.data.member_checks import (
    MAX_MEMBER_BYTES,
    SizeLimits,
    damaged,
    normalize_name,
    unsafe,
)

LOCAL, END, END_ZIP64 = b"PK\3\4", b"PK\5\6", b"PK\6\6"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
UNIX = 3  # `create_system` of zips whose external attributes hold a Unix file type
ENCRYPTED, LZMA_END_MARK, UTF8_NAME = 0x1, 0x2, 0x800  # flag bits
LOCAL_RECORD = struct.Struct("<4s2xH18xHH")  # magic, flags, lengths of name and extra field
END_RECORD = struct.Struct("<4s6xH10x")  # magic, number of entries
END_ZIP64_RECORD = struct.Struct("<4s28xQ16x20x")  # the same, with the locator behind it

# What Python's modules raise for damaged bytes, some of it undocumented.
ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
)


class Zip:
    """The members of a zip. All members are checked before any is read.

    Layout: APPNOTE.TXT 6.3.10 of PKWARE. What cannot be explained as one whole zip is refused:
    bytes before the first member or after the end, and a directory that has lost members.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream
        self._members: dict[str, zipfile.ZipInfo] = {}
        limits = SizeLimits(path)
        for info in _read_directory(path, stream):
            name = normalize_name(info.orig_filename, path)
            limits.add(info.orig_filename, info.file_size, info.compress_size)
            if problem := _problem(info):
                raise unsafe(path, info.orig_filename, problem)
            if _is_folder(info):
                self._seek_content(info)  # never read, so its name is compared now
            elif not name:
                raise unsafe(path, info.orig_filename, "has no name")
            elif name in self._members:
                raise unsafe(path, info.orig_filename, "appears twice")
            else:
                self._members[name] = info

    def paths(self) -> list[str]:
        """Paths of all files, sorted."""
        return sorted(self._members)

    def read(self, path: str) -> bytes:
        """Content of one file. Raises ThawError if its size or checksum does not match."""
        info = self._members[path]
        self._seek_content(info)
        try:
            content = _unpack(self._stream.read(info.compress_size), info)
        except ERRORS as error:
            raise damaged(self._path, f"{path}: {error}") from None
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise damaged(self._path, f"{path}: its size or checksum does not match")
        return content

    def _seek_content(self, info: zipfile.ZipInfo) -> None:
        """Go to a member's packed content. Raises ThawError if its own header names another."""
        try:
            self._stream.seek(info.header_offset)
            magic, flags, *lengths = LOCAL_RECORD.unpack(self._stream.read(LOCAL_RECORD.size))
            name = self._stream.read(lengths[0])
            found = name.decode("utf-8" if flags & UTF8_NAME else "cp437")
            self._stream.seek(lengths[1], os.SEEK_CUR)
        except ERRORS as error:
            raise damaged(self._path, f"{info.orig_filename}: {error}") from None
        if magic != LOCAL or found != info.orig_filename:
            raise damaged(self._path, f"{info.orig_filename}: its own header differs")


def is_zip(start: bytes) -> bool:
    """Whether a file with these first bytes is a zip, perhaps a damaged or a spanned one."""
    return start.startswith(b"PK")


def _read_directory(path: Path, stream: IO[bytes]) -> list[zipfile.ZipInfo]:
    """The entries of the directory. Raises ThawError if they are not those of one whole zip."""
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            first = min((entry.header_offset for entry in entries), default=archive.start_dir)
        count = _count_entries(stream, len(archive.comment))
    except ERRORS as error:
        raise damaged(path, str(error)) from None
    if count is None:
        raise damaged(path, "other bytes follow its end")
    if (len(entries) - count) % 2**16:  # some writers of large zips let the count overflow
        raise damaged(path, f"its directory lists {len(entries)} members instead of {count}")
    if first != 0:
        raise damaged(path, "other bytes stand before its first member")
    return entries


def _count_entries(stream: IO[bytes], comment_bytes: int) -> int | None:
    """The number of entries as the end of the zip gives it; None if the zip does not end there."""
    behind = END_RECORD.size + comment_bytes
    stream.seek(-behind, os.SEEK_END)
    magic, count = END_RECORD.unpack(stream.read(END_RECORD.size))
    if magic != END:
        return None
    if count == 0xFFFF:
        stream.seek(-END_ZIP64_RECORD.size - behind, os.SEEK_END)
        magic, long_count = END_ZIP64_RECORD.unpack(stream.read(END_ZIP64_RECORD.size))
        return long_count if magic == END_ZIP64 else count
    return count


def _problem(info: zipfile.ZipInfo) -> str:
    """Why a member must not be read; empty if it may be."""
    file_type = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
    if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if info.flag_bits & ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in METHODS:
        return f"is compressed by the unsupported method {info.compress_type}"
    if _is_folder(info) and info.file_size:
        return "is a folder with content"
    return ""


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith("/")


def _unpack(packed: bytes, info: zipfile.ZipInfo) -> bytes:
    """Unpack a member, up to one byte more than its declared size."""
    limit = info.file_size + 1
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, limit)
    if info.compress_type == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(packed, limit)
    if info.compress_type == zipfile.ZIP_LZMA:
        # Two bytes of version and two of length (5) precede the properties of the stream. With
        # the size after them, it is the older format .lzma, whose decoder can limit its memory.
        size = -1 if info.flag_bits & LZMA_END_MARK else info.file_size
        alone = packed[4:9] + struct.pack("<q", size) + packed[9:]
        decoder = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_MEMBER_BYTES)
        return decoder.decompress(alone, limit)
    return packed
