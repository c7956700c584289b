"""Recognise an image file by its bytes, and walk through its structure without decoding it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from thaw import avif

# Above these bounds a decoder's time is no longer set by pixels and bytes, but by its overhead
# for each part. Photographs stay far below them.
MAX_SEGMENTS = 1000  # of a JPEG
MAX_HEADER_BYTES = 8 * 2**20  # before the first scan of a JPEG; of one chunk of metadata
MAX_JUNK_BYTES = 2**20  # in that header, outside its segments
MAX_CHUNKS = 100_000  # of a PNG or a WEBP, with their pixels
MAX_OTHER_CHUNKS = 250  # of a PNG: each may unpack to 1 MiB
MAX_BLOCKS = 1_000_000  # of a GIF, of 255 bytes or less
MAX_TAGS = 20_000  # of a TIFF, over all its pages
MAX_TAG_BYTES = 2**20  # of one tag of numbers in a TIFF
MAX_META_BYTES = 2**19  # of the box of an AVIF that lists its items

# A marker that starts a segment. FF00 is an escaped FF in the compressed data, D0-D7 are restarts.
JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
JPEG_WITHOUT_SEGMENT = {0x01, 0xC8, 0xD8, *range(0xF0, 0xFE)}  # TEM, SOI, and reserved markers

PNG_PIXELS = (b"IDAT", b"fdAT", b"fcTL")
WEBP_METADATA = (b"EXIF", b"XMP ", b"ICCP")

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
}

TIFF_TYPE_BYTES = {
    **{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4},
    **{16: 8, 17: 8, 18: 8},
}
TIFF_PIXELS = {273: 279, 324: 325}  # offsets of strips or tiles: their byte counts
TIFF_DIRECTORIES = {34665, 34853, 40965}  # Exif, GPS and Interoperability, which Pillow reads


@dataclass(frozen=True)
class Structure:
    """What the parts of a file tell.

    complete: the file reaches the end that its format defines; bytes after it are allowed.
    Decoding alone does not tell: decoders stop at the last pixel, and libjpeg fills in missing
    ones. excess: the bound that the file exceeds, such as "segments: at most 1000". scans: of a
    JPEG; end: where a JPEG ends, in bytes; pixels: of an AVIF, see thaw.avif.decoded_pixels.
    """

    complete: bool
    excess: str = ""
    scans: int = 1
    end: int = 0
    pixels: int = 0


def image_format(data: bytes) -> str | None:
    """Pillow's name of the format, or HEIC, by the first bytes; the file name is ignored."""
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data[4:8] == b"ftyp":
        return _format_by_brand(data)
    return "BMP" if data.startswith(b"BM") else None


def _format_by_brand(data: bytes) -> str | None:
    """The box `ftyp` names the brand of the file, a version, and compatible brands."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 1024)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & HEIC_BRANDS else None


def read_structure(data: bytes, file_format: str) -> Structure:
    """Walk through the parts of a file of that format, in time linear in its size."""
    match file_format:
        case "JPEG":
            return _jpeg(data)
        case "PNG":
            return _png(data)
        case "GIF":
            return _gif(data)
        case "WEBP":
            return _webp(data)
        case "TIFF":
            return _tiff(data)
        case "AVIF":
            return _avif(data)
        case _:  # the size that a BMP states is unreliable, and its decoder misses no pixel
            return Structure(len(data) >= 26)  # the smallest header


def _jpeg(data: bytes) -> Structure:
    """Walk the segments: a thumbnail inside one has an end marker of its own."""
    at, junk, scans = 2, 0, 0
    for _ in range(MAX_SEGMENTS):
        found = JPEG_MARKER.search(data, at)
        if found is None:
            return Structure(False, scans=scans, end=len(data))
        code = found[1][0]
        if not scans:
            junk += found.start() - at
            if junk > MAX_JUNK_BYTES:
                return Structure(False, f"bytes outside segments: at most {MAX_JUNK_BYTES}")
            if found.start() > MAX_HEADER_BYTES:
                return Structure(False, f"bytes of metadata: at most {MAX_HEADER_BYTES}")
        at = found.end()
        if code == JPEG_END:
            return Structure(True, scans=scans, end=at)
        scans += code == JPEG_SCAN
        if code not in JPEG_WITHOUT_SEGMENT:
            at += int.from_bytes(data[at : at + 2], "big")
    return Structure(False, f"segments: at most {MAX_SEGMENTS}")


def _png(data: bytes) -> Structure:
    """Walk the chunks: length, type, data, CRC."""
    at, others = 8, 0
    for _ in range(MAX_CHUNKS):
        if at + 12 > len(data):
            return Structure(False)
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind == b"IEND":
            return Structure(end <= len(data))
        if kind not in PNG_PIXELS:
            others += 1
            if others > MAX_OTHER_CHUNKS:
                return Structure(False, f"chunks besides the pixels: at most {MAX_OTHER_CHUNKS}")
            if end - at > MAX_HEADER_BYTES:
                return Structure(False, f"bytes of a chunk: at most {MAX_HEADER_BYTES}")
        at = end
    return Structure(False, f"chunks: at most {MAX_CHUNKS}")


def _webp(data: bytes) -> Structure:
    """Walk the chunks of the RIFF container: kind, length, data, padded to an even length."""
    end = 8 + int.from_bytes(data[4:8], "little")
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > min(end, len(data)):
            return Structure(len(data) >= end)
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] in WEBP_METADATA and size > MAX_HEADER_BYTES:
            return Structure(False, f"bytes of a chunk: at most {MAX_HEADER_BYTES}")
        at += 8 + size + size % 2
    return Structure(False, f"chunks: at most {MAX_CHUNKS}")


def _gif(data: bytes) -> Structure:
    """Walk the blocks of all frames up to the trailer."""
    at, blocks = 13 + _palette_bytes(data, 10), 0
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:  # a frame: rectangle, palette, code size, pixels
            at += 11 + _palette_bytes(data, at + 9)
        elif data[at] == 0x21:
            at += 2
        else:
            return Structure(False)
        while at < len(data) and data[at] and blocks <= MAX_BLOCKS:
            at += data[at] + 1
            blocks += 1
        at += 1
        blocks += 1
        if blocks > MAX_BLOCKS:
            return Structure(False, f"blocks: at most {MAX_BLOCKS}")
    return Structure(at < len(data))


def _palette_bytes(data: bytes, at: int) -> int:
    flags = data[at] if at < len(data) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _avif(data: bytes) -> Structure:
    """Walk the boxes: every file has items and their data."""
    found = set()
    try:
        for kind, start, end in avif.boxes(data, 0, len(data)):
            found.add(kind)
            if kind in (b"meta", b"moov") and end - start > MAX_META_BYTES:
                return Structure(False, f"bytes of metadata: at most {MAX_META_BYTES}")
        return Structure({b"meta", b"mdat"} <= found, pixels=avif.decoded_pixels(data))
    except ValueError as excess:
        return Structure(False, str(excess))


@dataclass(frozen=True)
class _Tiff:
    """The numbers and tags of a TIFF; `wide` for BigTIFF, whose counts and offsets have 8 bytes."""

    data: bytes
    order: Literal["little", "big"]  # of bytes
    wide: bool

    def number(self, at: int, size: int) -> int:
        """An unsigned number. Raises IndexError beyond the end of the file."""
        if at + size > len(self.data):
            raise IndexError
        return int.from_bytes(self.data[at : at + size], self.order)

    def offset(self, at: int) -> int:
        """An offset in the file."""
        return self.number(at, 8 if self.wide else 4)

    def end(self, directory: int) -> int:
        """Where the tags of a directory end, and the offset of the next directory stands."""
        if self.wide:
            return directory + 8 + 20 * self.number(directory, 8)
        return directory + 2 + 12 * self.number(directory, 2)

    def tags(self, directory: int) -> Iterator[tuple[int, int, int, int]]:
        """The tags of a directory: code, bytes of a value, number of values, where they are."""
        word = 8 if self.wide else 4
        for at in range(directory + (8 if self.wide else 2), self.end(directory), 4 + 2 * word):
            size = TIFF_TYPE_BYTES.get(self.number(at + 2, 2), 0)
            count, here = self.number(at + 4, word), at + 4 + word
            yield (
                self.number(at, 2),
                size,
                count,
                here if size * count <= word else self.offset(here),
            )


def _tiff(data: bytes) -> Structure:
    """Walk the directories of all pages; their values and pixels must lie inside the file."""
    tiff = _Tiff(data, "little" if data[:1] == b"I" else "big", b"+" in data[2:4])
    complete, left = True, MAX_TAGS
    todo, seen = [(8 if tiff.wide else 4, True)], {0}
    while todo:
        pointer, is_page = todo.pop()
        try:
            directory = tiff.offset(pointer)
            if directory in seen:
                continue
            seen.add(directory)
            places = {}
            for code, size, count, there in tiff.tags(directory):
                left -= 1
                if left < 0:
                    return Structure(False, f"tags: at most {MAX_TAGS}")
                if (size > 1 or code in TIFF_PIXELS) and size * count > MAX_TAG_BYTES:
                    return Structure(False, f"bytes of a tag: at most {MAX_TAG_BYTES}")
                places[code] = size, count, there
                todo += [(there, False)] if code in TIFF_DIRECTORIES else []
            if is_page:
                complete &= _is_inside(tiff, places)
                todo.append((tiff.end(directory), True))
        except IndexError:  # a broken directory of metadata breaks no pixels
            complete &= not is_page
    return Structure(complete)


def _is_inside(tiff: _Tiff, places: dict[int, tuple[int, int, int]]) -> bool:
    """Whether the values of a page's tags, and its strips or tiles, end inside the file."""
    if any(at + size * count > len(tiff.data) for size, count, at in places.values()):
        return False
    for code, code_of_sizes in TIFF_PIXELS.items():
        if code in places and code_of_sizes in places:
            (a, count, offsets), (b, count_of_sizes, sizes) = places[code], places[code_of_sizes]
            for k in range(min(count, count_of_sizes)):
                end = tiff.number(offsets + k * a, a) + tiff.number(sizes + k * b, b)
                if end > len(tiff.data):
                    return False
    return True
