"""Small images, and an archive with every kind of damage, made on the spot."""

import importlib.util
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from project import ROOT


def draw_image(seed: int, width: int = 48, height: int = 40) -> Image.Image:
    """Random large blobs, which no two seeds share."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode_image(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The image as a file of that format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def damaged_members() -> dict[str, bytes]:
    """A dozen sound images a class and the kinds of damage of the public archive."""
    members = {"readme[1].txt": b"images", "PetImages/Cat/Thumbs.db": b"\xd0\xcf"}
    for index, label in enumerate(("Cat", "Dog")):
        for number in range(12):
            image = draw_image(100 * index + number, 120, 90)
            members[f"PetImages/{label}/{number}.jpg"] = encode_image(image, quality=90)
    sound = members["PetImages/Cat/0.jpg"]
    near = draw_image(109, 120, 90).resize((100, 75))
    return members | {
        "PetImages/Cat/empty.jpg": b"",
        "PetImages/Dog/empty.jpg": b"",
        "PetImages/Cat/half.jpg": sound[: len(sound) // 2],
        "PetImages/Dog/nearly.jpg": sound[:-2],
        "PetImages/Cat/page.jpg": b"<html><body>no image</body></html>",
        "PetImages/Dog/huge.png": encode_image(Image.new("1", (2100, 2100)), "PNG"),
        "PetImages/Dog/png.jpg": encode_image(draw_image(201), "PNG"),
        "PetImages/Cat/cmyk.jpg": encode_image(draw_image(202).convert("CMYK")),
        "PetImages/Cat/copy.jpg": members["PetImages/Cat/7.jpg"],
        "PetImages/Dog/astray.jpg": members["PetImages/Cat/8.jpg"],
        "PetImages/Dog/9-small.jpg": encode_image(near, quality=60),
        "PetImages/Cat/tail.jpg": encode_image(draw_image(203)) + b"\0bytes after the end",
    }


@pytest.fixture(scope="session")
def draw() -> Callable[..., Image.Image]:
    """`draw_image`."""
    return draw_image


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """`encode_image`."""
    return encode_image


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The members as a zip."""
    path = tmp_path_factory.mktemp("source") / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in damaged_members().items():
            archive.writestr(name, content)
    return path


@pytest.fixture(scope="session")
def hostile() -> ModuleType:
    """The generator of images that are made to break the decoder."""
    path = ROOT / "benchmarks/hostile_images.py"
    spec = importlib.util.spec_from_file_location("hostile_images", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
