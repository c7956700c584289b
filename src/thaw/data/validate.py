"""Is this file a whole image, and what does it look like?"""

import io
import re
import warnings
from dataclasses import dataclass

import imagehash
from PIL import Image, UnidentifiedImageError

from thaw.images import to_rgb

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"})

# A marker that libjpeg acts on; FF00 is a plain FF in the compressed data, D0-D7 are restarts.
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_END = 0xD9
JPEG_BARE = (0x01, 0xD8)  # markers without a segment: TEM, SOI


@dataclass(frozen=True)
class ImageCheck:
    """What became of one file; `reason` is empty when the image is usable.

    width, height: pixels of the upright image; phash: 16 hexadecimal digits.
    """

    reason: str = ""  # empty, truncated, not an image, too large
    detail: str = ""
    width: int = 0
    height: int = 0
    phash: str = ""


def check_shard(shard: list[bytes], max_megapixels: float) -> list[ImageCheck]:
    """Judge a list of encoded images."""
    return [check_image(data, max_megapixels) for data in shard]


def check_image(data: bytes, max_megapixels: float) -> ImageCheck:
    """Decode one file entirely; the size is judged from its header, before any pixel is decoded.

    phash: the perceptual hash of `imagehash.phash`, the signs about the median of the 8 x 8
    lowest frequencies.
    """
    if not data:
        return ImageCheck("empty")
    kind = image_format(data)
    if kind is None:
        return ImageCheck("not an image", f"starts with {data[:12]!r}")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, and of sizes that are judged here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=[kind]) as image:
                megapixels = image.width * image.height / 1e6
                if megapixels > max_megapixels:
                    return ImageCheck("too large", f"{megapixels:.1f} megapixels")
                if not is_whole(data, kind):
                    return ImageCheck("truncated", f"{kind} without its end")
                upright = to_rgb(image)
            return ImageCheck("", "", *upright.size, str(imagehash.phash(upright)))
        except Image.DecompressionBombError:
            return ImageCheck("too large", "far more than any photograph")
        except Exception as problem:  # Pillow's decoders raise many kinds on damaged files
            return _damaged(data, kind, problem)


def _damaged(data: bytes, kind: str, problem: Exception) -> ImageCheck:
    if not is_whole(data, kind) or "truncated" in str(problem):
        return ImageCheck("truncated", f"{kind} without its end")
    # Pillow's message for a header it cannot read holds a memory address.
    unread = isinstance(problem, UnidentifiedImageError)
    return ImageCheck("not an image", f"{kind}: {'unreadable header' if unread else problem}")


def image_format(data: bytes) -> str | None:
    """Pillow's name of the format that the first bytes announce, whatever the file is called."""
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "BMP"
    return None


def is_whole(data: bytes, kind: str) -> bool:
    """Does the file reach the end that its format states? Bytes after that end are no fault.

    Needed beside decoding: decoders stop at the last pixel, and libjpeg makes up missing ones.
    """
    match kind:
        case "JPEG":
            return _jpeg_ends(data)
        case "PNG":
            return _png_ends(data)
        case "GIF":
            return _gif_ends(data)
        case "WEBP":
            return len(data) >= 8 + int.from_bytes(data[4:8], "little")
        case _:
            return len(data) >= int.from_bytes(data[2:6], "little")


def _jpeg_ends(data: bytes) -> bool:
    """Walk the segments, so that the end of a thumbnail inside one is not taken for the end."""
    at = 2
    while found := JPEG_MARKER.search(data, at):
        code, at = found[1][0], found.end()
        if code == JPEG_END:
            return True
        if code not in JPEG_BARE:
            at += int.from_bytes(data[at : at + 2], "big")
    return False


def _png_ends(data: bytes) -> bool:
    """Walk the chunks: length, type, content, checksum."""
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return end <= len(data)
        at = end
    return False


def _gif_ends(data: bytes) -> bool:
    """Walk the blocks of all frames up to the trailer."""
    at = 13 + _palette_bytes(data, 10)
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:  # a frame: its rectangle, its palette, the code size, the pixels
            at = _after_blocks(data, at + 11 + _palette_bytes(data, at + 9))
        elif data[at] == 0x21:
            at = _after_blocks(data, at + 2)
        else:
            return False
    return at < len(data)


def _palette_bytes(data: bytes, at: int) -> int:
    flags = data[at] if at < len(data) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
