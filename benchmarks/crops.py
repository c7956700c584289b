"""Crops of photographs, to measure with many distinct images."""

import io
import random
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image


def crops(
    photographs: Iterable[tuple[str, bytes]], of_each: float, side: int
) -> Iterator[tuple[str, bytes]]:
    """Yield names with a class folder, and JPEG files, of random crops of (label, file).

    A crop is half as wide and high as its photograph, or more, and resized to `side` pixels.
    """
    rng = random.Random(0)
    number = 0
    for index, (label, data) in enumerate(photographs, 1):
        file = Image.open(io.BytesIO(data))
        file.draft("RGB", (2 * side, 2 * side))  # decodes faster, at lower resolution
        image = file.convert("RGB")
        while number < of_each * index:
            share = rng.uniform(0.5, 1)
            width, height = share * image.width, share * image.height
            x, y = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
            stream = io.BytesIO()
            box = (x, y, x + width, y + height)
            image.resize((side, side), box=box).save(stream, "JPEG", quality=90)
            yield f"{label}/{number}.jpg", stream.getvalue()
            number += 1


def write_zip(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write an archive of named files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path
