"""Decode images: encoded bytes → 8-bit RGB, with the EXIF orientation applied."""

import io

import numpy as np
from PIL import Image, ImageOps


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow image to 8-bit RGB, with its EXIF orientation applied.

    16-bit grey is scaled to 8 bits, transparency is composited on white, and only the first frame
    of an animation is used.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        image = Image.fromarray((np.clip(grey, 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def decode(data: bytes, size: int) -> np.ndarray:
    """Encoded image → uint8 RGB array (size, size, 3), 0–255.

    Every stage and all of serving use this function, so training, evaluation and serving see the
    same pixels. The image is resized without cropping, which changes its aspect ratio. Raises
    what Pillow raises if `data` is not a complete image.
    """
    with Image.open(io.BytesIO(data)) as image:
        small = to_rgb(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small)
