"""Check that a file is a complete image, and compute its size and perceptual hash."""

import warnings
from dataclasses import dataclass

import imagehash

from thaw.image_limits import UnusableImage
from thaw.images import read_rgb


@dataclass(frozen=True)
class ImageCheck:
    """The result of checking one file. `reason` is empty if the image is usable.

    reason, detail: see UnusableImage; width, height: pixels, after EXIF rotation; phash: 16
    hexadecimal digits.
    """

    reason: str = ""
    detail: str = ""
    width: int = 0
    height: int = 0
    phash: str = ""


def check_shard(shard: list[bytes], max_megapixels: float) -> list[ImageCheck]:
    """Check a list of encoded images."""
    return [check_image(data, max_megapixels) for data in shard]


def check_image(data: bytes, max_megapixels: float) -> ImageCheck:
    """Decode one file completely, unless it is larger than `read_rgb` allows.

    phash: `imagehash.phash`, 64 bits: which of the 8 x 8 lowest DCT frequencies exceed their
    median.
    """
    with warnings.catch_warnings():
        # Pillow warns about odd metadata, and about sizes that are checked here.
        warnings.simplefilter("ignore")
        try:
            image = read_rgb(data, max_megapixels)
        except UnusableImage as error:
            return ImageCheck(error.reason, error.detail)
    return ImageCheck("", "", *image.size, str(imagehash.phash(image)))
