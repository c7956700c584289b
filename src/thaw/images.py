"""Decode images: encoded bytes → 8-bit RGB, with the EXIF orientation applied."""

import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from thaw.errors import ThawError
from thaw.image_formats import Structure, image_format, read_structure
from thaw.image_limits import UnusableImage, check_limits

PILLOW_MEGAPIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6  # Pillow opens no larger image
HEIC_ADVICE = "convert it, for instance with `magick mogrify -format jpg *.heic`"
BAND = 2**20  # pixels that are converted at once; copies of an entire image take memory
ORIENTATIONS = {  # EXIF's number, and what turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(
    data: bytes, size: int, resize: str = "squash", max_megapixels: float = PILLOW_MEGAPIXELS
) -> np.ndarray:
    """Encoded image → uint8 RGB array (size, size, 3), 0–255.

    Every stage and all of serving use this function, so training, evaluation and serving see the
    same pixels. resize: `squash` changes the aspect ratio; `crop` scales the shorter side to
    `size` and takes the centre; `pad` scales the longer side and pads with black, centred. Raises
    UnusableImage, as `read_rgb` does, and ThawError for another `resize`.
    """
    return resized(read_rgb(data, max_megapixels), size, resize)


def resized(image: Image.Image, size: int, resize: str) -> np.ndarray:
    """RGB image → uint8 array (size, size, 3); see `decode`."""
    square, how = (size, size), Image.Resampling.BILINEAR
    match resize:
        case "squash":
            small = image.resize(square, how)
        case "crop":
            small = ImageOps.fit(image, square, how)
        case "pad":
            scaled = [max(1, round(side * size / max(image.size))) for side in image.size]
            small = ImageOps.pad(image.resize((scaled[0], scaled[1]), how), square, how)
        case _:
            raise ThawError(f"base.resize must be squash, crop or pad, but is {resize!r}")
    return np.asarray(small)


def seen_box(width: int, height: int, resize: str) -> tuple[int, int, int, int]:
    """The part of an image that `resized` keeps: left, upper, right and lower edge, in pixels.

    With `pad` it reaches beyond the image.
    """
    if resize == "squash":
        return 0, 0, width, height
    side = (min if resize == "crop" else max)(width, height)
    left, upper = (width - side) // 2, (height - side) // 2
    return left, upper, left + side, upper + side


def read_rgb(data: bytes, max_megapixels: float = PILLOW_MEGAPIXELS) -> Image.Image:
    """Encoded JPEG, PNG, GIF, WEBP, BMP, TIFF or AVIF → 8-bit RGB image, upright.

    16-bit grey is scaled to 8 bits; floating-point grey is from 0, black, to 1, white;
    transparency is composited on white; of several frames or pages the first is used. Raises
    UnusableImage: before decoding, if the image has more than `max_megapixels` or exceeds the
    bounds of `check_limits`.
    """
    return _upright(*_decode(data, max_megapixels))


def thumbnail(data: bytes, side: int) -> np.ndarray:
    """Encoded image → uint8 RGB (h, w, 3), at most `side` pixels a side, with its aspect ratio.

    Raises UnusableImage, as `read_rgb` does.
    """
    small = read_rgb(data)
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small)


def upright_rgb(image: Image.Image) -> Image.Image:
    """An image that Pillow has opened → 8-bit RGB, converted and turned as by `read_rgb`.

    Raises UnusableImage if it cannot be loaded; the limits are Pillow's own.
    """
    try:
        image.load()
        return _upright(_to_rgb(image), _orientation(image))
    except Exception as error:  # as above
        raise _damaged(image.format or "image", Structure(complete=True), error) from None


def _upright(image: Image.Image, orientation: Any) -> Image.Image:
    method = ORIENTATIONS.get(orientation)
    return image if method is None else image.transpose(method)


def _decode(data: bytes, max_megapixels: float) -> tuple[Image.Image, Any]:
    """The image as RGB, not yet upright, and its orientation; all other copies are freed."""
    if not data:
        raise UnusableImage("empty")
    file_format = image_format(data)
    if file_format is None:
        raise UnusableImage("not an image", f"starts with {data[:12]!r}")
    if file_format == "HEIC":
        raise UnusableImage("HEIC", HEIC_ADVICE)
    structure = read_structure(data, file_format)
    if structure.excess:
        raise UnusableImage("too large", structure.excess)
    try:
        with Image.open(io.BytesIO(data), formats=[file_format]) as image:
            check_limits(image, file_format, structure, len(data), max_megapixels)
            if not structure.complete:
                raise UnusableImage("truncated", f"{file_format} without its end")
            image.load()
            return _to_rgb(image), _orientation(image)
    except UnusableImage:
        raise
    except Image.DecompressionBombError:
        limit = min(max_megapixels, PILLOW_MEGAPIXELS)
        raise UnusableImage("too large", f"more than {limit:.4g} megapixels") from None
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise _damaged(file_format, structure, error) from None


def _damaged(file_format: str, structure: Structure, error: Exception) -> UnusableImage:
    said = str(error)
    if not structure.complete or "truncated" in said.lower() or "not enough" in said:
        return UnusableImage("truncated", f"{file_format} without its end")
    if isinstance(error, UnidentifiedImageError):
        said = "unreadable header"  # Pillow's message contains a memory address
    return UnusableImage("not an image", f"{file_format}: {said or type(error).__name__}")


def _orientation(image: Image.Image) -> Any:
    """The EXIF orientation, or whatever stands in its place; 1 if the EXIF data are broken."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises many types on broken EXIF data
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image to 8-bit RGB, in bands of rows."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    width, height = image.size
    rgb = Image.new("RGB", image.size)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if band.mode.startswith("I") or band.mode == "F":
            band = _to_8_bits(band)
        elif band.has_transparency_data:
            band = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        rgb.paste(band.convert("RGB"), (0, top))
    return rgb


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale integers from 0–65535, or floating-point numbers from 0–1, to 8 bits."""
    deep = np.asarray(image)
    if image.mode == "F":
        grey = np.rint(np.nan_to_num(deep).clip(0, 1) * 255).astype(np.uint8)
    else:
        grey = (deep.clip(0, 65535) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey[deep == transparent] = 255
    return Image.fromarray(grey)
