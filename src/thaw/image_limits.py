"""Bounds on the memory and the time that decoding an image may take, checked before it starts."""

import math
from typing import Any

from thaw.errors import ThawError
from thaw.image_formats import Structure

MAX_SIDE = 65_535  # pixels; a JPEG's is not longer, and resizing needs memory for each
# A plain image may have `max_megapixels`, one that takes more memory or time than this has to be
# smaller. At 50 megapixels that is 450 MB, and 1.7 s of one core at 3 GHz.
MEMORY = 9  # bytes a pixel
TIME = 34  # nanoseconds a pixel
# Bounds for each pixel that `max_megapixels` allows.
MAX_SCANS = 10  # of a JPEG; encoders write 10
MAX_BYTES = 5.0  # of a file
MAX_SLOW_BYTES = 0.4  # of an AVIF, or a JPEG in several scans
MAX_RUN_LENGTH_BYTES = 0.16  # of a run-length encoded BMP

TIFF_WIDTH, TIFF_HEIGHT, TIFF_BITS, TIFF_SAMPLES = 256, 257, 258, 277
TIFF_TILE_WIDTH, TIFF_TILE_HEIGHT = 322, 323


class UnusableImage(ThawError):
    """An image that cannot be decoded, or not within the bounds.

    reason: empty, truncated, not an image, HEIC, too large, too many scans.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        found = f"{reason} ({detail})" if detail else reason
        super().__init__(
            f"an image must be a complete file of a known format, but is {found}: replace it, or "
            "save it again with an image editor"
        )
        self.reason, self.detail = reason, detail


def check_limits(
    image: Any, file_format: str, structure: Structure, size: int, max_megapixels: float
) -> None:
    """Raise UnusableImage if decoding would exceed a bound.

    image: opened by Pillow, not yet loaded, as `file_format`; size: of the file, bytes.
    """
    if max(image.size) > MAX_SIDE:
        raise UnusableImage("too large", f"{max(image.size)} pixels long: at most {MAX_SIDE}")
    megapixels = max(_pixels(image, file_format), structure.pixels) / 1e6
    memory, time = _cost(image, file_format, structure.scans)
    weight = max(1, memory / MEMORY, time / TIME)
    if megapixels * weight > max_megapixels:
        most = f"{max_megapixels / weight:.4g}" + (f" for such a {file_format}" * (weight > 1))
        raise UnusableImage("too large", f"{megapixels:.4g} megapixels: at most {most}")
    scans = int(MAX_SCANS * max_megapixels / megapixels)
    if structure.scans > scans:
        raise UnusableImage("too many scans", f"{structure.scans}: at most {scans} of this size")
    megabytes = (structure.end or size) / 1e6
    allowed = max_megapixels * _max_bytes(image, file_format, structure.scans)
    if megabytes > allowed:
        detail = f"{megabytes:.4g} MB: at most {allowed:.4g} for such a {file_format}"
        raise UnusableImage("too large", detail)


def _max_bytes(image: Any, file_format: str, scans: int) -> float:
    if _is_run_length(image, file_format):
        return MAX_RUN_LENGTH_BYTES
    return MAX_SLOW_BYTES if file_format == "AVIF" or scans > 1 else MAX_BYTES


def _pixels(image: Any, file_format: str) -> int:
    """Pixels that are decoded: the tiles of a TIFF may reach far beyond its edges."""
    width, height = image.size
    if file_format == "TIFF":
        width, height = image.tag_v2[TIFF_WIDTH], image.tag_v2[TIFF_HEIGHT]
        across = image.tag_v2.get(TIFF_TILE_WIDTH) or width
        down = image.tag_v2.get(TIFF_TILE_HEIGHT) or height
        return math.ceil(width / across) * across * math.ceil(height / down) * down
    return width * height


def _cost(image: Any, file_format: str, scans: int) -> tuple[float, float]:
    """The memory, bytes a pixel, and the time, nanoseconds a pixel, of decoding to upright RGB.

    Measured on the worst files found, on one core at 3 GHz; Pillow itself takes 4 bytes for each
    pixel of most modes, and as much for the RGB or upright copy.
    """
    # Time of composing, turning and resizing; LAB is converted with a colour profile.
    copies = 40 if image.mode == "LAB" else 15 if image.has_transparency_data else 5
    match file_format:
        case "JPEG" if scans > 1:  # all coefficients are in memory, 2 bytes each
            sampling = [
                max(1, across * down) for _, across, down, _ in image.layer[-image.layers :]
            ]
            return 4 + 2 * sum(sampling) / max(sampling), 20
        case "PNG":
            samples = len(image.getbands()) * (2 if "16" in image.tile[0].args else 1)
            return 8, 9 * samples + copies
        case "TIFF":
            bits = max(image.tag_v2.get(TIFF_BITS, (1,))) * image.tag_v2.get(TIFF_SAMPLES, 1)
            slow = image.info["compression"] == "lzma"
            return 4 + bits / 8, (25 if slow else 5) * bits / 8 + copies
        case "WEBP" | "AVIF":  # copies of libwebp and libavif
            return 20, 60
        case "BMP" if _is_run_length(image, file_format):  # decoded in Python
            return 8, 400
        case _:
            return 8, 10 + copies


def _is_run_length(image: Any, file_format: str) -> bool:
    return file_format == "BMP" and image.tile[0].codec_name == "bmp_rle"
