"""The one decoder: encoded bytes → upright 8-bit RGB."""

import io

import numpy as np
from PIL import Image, ImageOps


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn any Pillow image upright, by its EXIF orientation, and into 8-bit RGB.

    16-bit grey is scaled to 8 bits, transparency is laid on white, and only the first frame of
    an animation is used.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray((np.clip(deep, 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def decode(data: bytes, size: int) -> np.ndarray:
    """Encoded image → uint8 RGB array (size, size, 3), 0–255.

    Every stage and every way of serving decodes through here, so that what is trained on, what
    is scored and what is served see the same pixels. The whole image is kept and its aspect is
    not. Raises what Pillow raises when `data` is not a whole image.
    """
    with Image.open(io.BytesIO(data)) as image:
        small = to_rgb(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small)
