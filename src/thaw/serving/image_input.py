"""Take an image in any of the forms that Python code holds one in."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from thaw.errors import ThawError
from thaw.images import read_rgb, upright_rgb

# A path, an encoded file, an image of Pillow, or pixels: uint8 (H, W), (H, W, 3) or (H, W, 4).
ImageInput = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
CHANNELS = (3, 4)  # RGB, and with transparency


def rgb_of(image: ImageInput, max_megapixels: float) -> Image.Image:
    """The image as 8-bit RGB, upright, as `thaw.images.read_rgb` gives it.

    Raises UnusableImage if it cannot be decoded, and ThawError if its file cannot be read or if it
    is nothing of the above.
    """
    match image:
        case bytes():
            return read_rgb(image, max_megapixels)
        case Image.Image():
            return upright_rgb(image)
        case np.ndarray():
            return upright_rgb(_of_array(image))
        case str() | os.PathLike():
            return read_rgb(_read(Path(image)), max_megapixels)
    raise ThawError(
        "an image must be a path, bytes, a Pillow image or a NumPy array, but is of type "
        f"{type(image).__name__}: convert it"
    )


def _of_array(pixels: np.ndarray) -> Image.Image:
    colour = pixels.ndim == 3 and pixels.shape[2] in CHANNELS
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or colour) or not pixels.size:
        raise ThawError(
            "an array must hold an image as uint8 (H, W), (H, W, 3) or (H, W, 4), but is "
            f"{pixels.dtype} {pixels.shape}: convert it, for instance from 0–1 with "
            "`(255 * pixels).round().astype(numpy.uint8)`"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise ThawError(
            f"an image must be in a file that can be read, but {path} is not ({reason}): correct "
            "the path"
        ) from None
