"""Small copies of images, for lists of many."""

import base64
import io

from PIL import Image

from thaw.images import upright_rgb


def thumbnail_url(data: bytes, side: int) -> str:
    """An encoded image as a JPEG of at most `side` pixels a side, in a data URL.

    data: of an image that a Predictor has answered, which keeps to the limits of its bundle. A
    JPEG is decoded at an eighth of its size or more, as `side` allows.
    """
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (side, side))
        small = upright_rgb(image)
    small.thumbnail((side, side))
    stream = io.BytesIO()
    small.save(stream, "jpeg", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
