"""Check that a file is a complete image, and compute its size and perceptual hash."""

import io
import re
import warnings
from dataclasses import dataclass

import imagehash
from PIL import Image, UnidentifiedImageError

from thaw.images import to_rgb

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"})

# A marker that starts a segment. FF00 is an escaped FF in the compressed data, D0-D7 are restarts.
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_END = 0xD9
JPEG_WITHOUT_SEGMENT = (0x01, 0xD8)  # TEM, SOI


@dataclass(frozen=True)
class ImageCheck:
    """The result of checking one file. `reason` is empty if the image is usable.

    width, height: pixels, after EXIF rotation; phash: 16 hexadecimal digits.
    """

    reason: str = ""  # empty, truncated, not an image, too large
    detail: str = ""
    width: int = 0
    height: int = 0
    phash: str = ""


def check_shard(shard: list[bytes], max_megapixels: float) -> list[ImageCheck]:
    """Check a list of encoded images."""
    return [check_image(data, max_megapixels) for data in shard]


def check_image(data: bytes, max_megapixels: float) -> ImageCheck:
    """Decode one file completely, unless its header states more than `max_megapixels`.

    phash: `imagehash.phash`, 64 bits: which of the 8 x 8 lowest DCT frequencies exceed their
    median.
    """
    if not data:
        return ImageCheck("empty")
    file_format = image_format(data)
    if file_format is None:
        return ImageCheck("not an image", f"starts with {data[:12]!r}")
    with warnings.catch_warnings():
        # Pillow warns about odd metadata, and about sizes that are checked here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=[file_format]) as image:
                megapixels = image.width * image.height / 1e6
                if megapixels > max_megapixels:
                    return ImageCheck("too large", f"{megapixels:.1f} megapixels")
                if not is_complete(data, file_format):
                    return ImageCheck("truncated", f"{file_format} without its end")
                upright = to_rgb(image)
            return ImageCheck("", "", *upright.size, str(imagehash.phash(upright)))
        except Image.DecompressionBombError:
            return ImageCheck("too large", "far more than any photograph")
        except Exception as error:  # Pillow's decoders raise many types on damaged files
            return _damaged(data, file_format, error)


def _damaged(data: bytes, file_format: str, error: Exception) -> ImageCheck:
    if not is_complete(data, file_format) or "truncated" in str(error):
        return ImageCheck("truncated", f"{file_format} without its end")
    # Pillow's message about an unreadable header contains a memory address.
    unreadable = isinstance(error, UnidentifiedImageError)
    return ImageCheck(
        "not an image", f"{file_format}: {'unreadable header' if unreadable else error}"
    )


def image_format(data: bytes) -> str | None:
    """Pillow's name of the format, by the first bytes; the file name is ignored."""
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


def is_complete(data: bytes, file_format: str) -> bool:
    """Return whether the file reaches the end that its format defines; trailing bytes are allowed.

    Decoding alone does not tell: decoders stop at the last pixel, and libjpeg fills in missing
    ones.
    """
    match file_format:
        case "JPEG":
            return _jpeg_is_complete(data)
        case "PNG":
            return _png_is_complete(data)
        case "GIF":
            return _gif_is_complete(data)
        case "WEBP":
            return len(data) >= 8 + int.from_bytes(data[4:8], "little")
        case _:
            return len(data) >= int.from_bytes(data[2:6], "little")


def _jpeg_is_complete(data: bytes) -> bool:
    """Walk the segments: a thumbnail inside one has an end marker of its own."""
    at = 2
    while found := JPEG_MARKER.search(data, at):
        code, at = found[1][0], found.end()
        if code == JPEG_END:
            return True
        if code not in JPEG_WITHOUT_SEGMENT:
            at += int.from_bytes(data[at : at + 2], "big")
    return False


def _png_is_complete(data: bytes) -> bool:
    """Walk the chunks: length, type, data, CRC."""
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return end <= len(data)
        at = end
    return False


def _gif_is_complete(data: bytes) -> bool:
    """Walk the blocks of all frames up to the trailer."""
    at = 13 + _palette_bytes(data, 10)
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:  # a frame: rectangle, palette, code size, pixels
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
