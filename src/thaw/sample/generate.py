"""Generate the sample: an archive of drawn cats and dogs, with the public archive's faults."""

import io
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from thaw.files import atomic_write
from thaw.parallel import cores, map_shards
from thaw.sample.drawing import Animal, Colour, animal, compose

PER_CLASS = 400  # images
SHARD_SIZE = 20  # images
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
ORIENTATION = 0x0112  # the EXIF tag
COATS: list[Colour] = [
    (225, 215, 200),
    (196, 154, 108),
    (150, 100, 60),
    (95, 70, 55),
    (60, 56, 58),
    (140, 140, 145),
    (210, 130, 70),
    (120, 110, 95),
]


def cat(rng: np.random.Generator) -> Animal:
    """A cat: pointed ears, a short muzzle, a thin tail; 5 % have folded ears."""
    return Animal(
        ears="folded" if rng.random() < 0.05 else "pointed",
        ear_length=rng.uniform(0.32, 0.48),
        muzzle_width=rng.uniform(0.28, 0.42),
        muzzle_length=rng.uniform(0.42, 0.6),
        nose=rng.uniform(0.07, 0.13),
        eye=rng.uniform(0.16, 0.25),
        slit=bool(rng.random() < 0.75),
        whiskers=bool(rng.random() < 0.9),
        tongue=bool(rng.random() < 0.03),
        tail=str(rng.choice(["thin", "thick", "bushy"], p=[0.75, 0.15, 0.1])),
        head_height=rng.uniform(0.75, 0.92),
        coat=_coat(rng),
        pattern=str(rng.choice(["solid", "tabby", "patches", "spots"], p=[0.25, 0.45, 0.2, 0.1])),
        pose=str(rng.choice(["head", "sitting", "side"], p=[0.82, 0.15, 0.03])),
    )


def dog(rng: np.random.Generator) -> Animal:
    """A dog: floppy ears, a longer muzzle, a larger nose; 8 % have pointed ears."""
    pointed = rng.random() < 0.08
    return Animal(
        ears="pointed" if pointed else str(rng.choice(["floppy", "folded"], p=[0.93, 0.07])),
        ear_length=rng.uniform(0.22, 0.38) if pointed else rng.uniform(0.5, 0.75),
        muzzle_width=rng.uniform(0.42, 0.62),
        muzzle_length=rng.uniform(0.75, 1.0),
        nose=rng.uniform(0.16, 0.27),
        eye=rng.uniform(0.09, 0.14),
        slit=bool(rng.random() < 0.04),
        whiskers=bool(rng.random() < 0.12),
        tongue=bool(rng.random() < 0.4),
        tail=str(rng.choice(["thin", "thick", "bushy"], p=[0.12, 0.6, 0.28])),
        head_height=rng.uniform(1.02, 1.28),
        coat=_coat(rng),
        pattern=str(rng.choice(["solid", "tabby", "patches", "spots"], p=[0.45, 0.05, 0.3, 0.2])),
        pose=str(rng.choice(["head", "sitting", "side"], p=[0.82, 0.15, 0.03])),
    )


KINDS = {"Cat": cat, "Dog": dog}


def _coat(rng: np.random.Generator) -> Colour:
    base = np.array(COATS[rng.integers(len(COATS))]) + rng.normal(0, 14, 3)
    red, green, blue = np.clip(base, 25, 235).astype(int).tolist()
    return red, green, blue


def draw(seed: int, label: str, number: int) -> Image.Image:
    """Draw image `number` of a class. Depends only on the arguments."""
    return draw_with_mask(seed, label, number)[0]


def draw_with_mask(seed: int, label: str, number: int) -> tuple[Image.Image, Image.Image]:
    """The same, and where the animal is seen: "L", from 0 to 255."""
    rng = np.random.default_rng([seed, list(KINDS).index(label), number])
    width, height = (int(side) for side in rng.integers(128, 192, 2))
    return compose(rng, animal(rng, KINDS[label](rng), 256), (width, height))


def encode(image: Image.Image, file_format: str = "JPEG", **options: object) -> bytes:
    """Encode the image as a file."""
    stream = io.BytesIO()
    image.save(stream, file_format, **({"quality": 90} if file_format == "JPEG" else {}) | options)
    return stream.getvalue()


def _draw_shard(shard: list[tuple[str, int]], seed: int) -> list[bytes]:
    return [encode(draw(seed, label, number)) for label, number in shard]


def rotated(image: Image.Image) -> bytes:
    """Encode an image rotated by 90°, with the EXIF orientation that undoes it."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # rotate clockwise to display
    return encode(image.transpose(Image.Transpose.ROTATE_90), exif=exif)


def damage(files: dict[str, bytes], seed: int) -> dict[str, bytes]:
    """Make further members with the faults of the public archive, and others that occur."""
    count = PER_CLASS

    def of(label: str, number: int) -> Image.Image:
        return draw(seed, label, number)

    near = ImageOps.contain(of("Dog", 9), (110, 110), Image.Resampling.LANCZOS)
    return {
        "readme[1].txt": b"Generated images of cats and dogs. No photograph is among them.\n",
        "PetImages/Cat/Thumbs.db": b"\xd0\xcf\x11\xe0 not an image",
        "PetImages/Dog/Thumbs.db": b"\xd0\xcf\x11\xe0 not an image",
        f"PetImages/Cat/{count}.jpg": b"",
        f"PetImages/Dog/{count + 1}.jpg": b"",
        f"PetImages/Cat/{count + 2}.jpg": files["PetImages/Cat/2.jpg"][:1500],
        f"PetImages/Dog/{count + 3}.jpg": encode(of("Dog", count + 3))[:-2],
        f"PetImages/Cat/{count + 4}.jpg": b"<html><body>Not found</body></html>\n",
        f"PetImages/Dog/{count + 5}.jpg": encode(of("Dog", count + 5), "PNG"),
        f"PetImages/Cat/{count + 6}.jpg": encode(of("Cat", count + 6).convert("CMYK")),
        f"PetImages/Cat/{count + 7}.jpg": files["PetImages/Cat/7.jpg"],
        f"PetImages/Dog/{count + 8}.jpg": files["PetImages/Cat/8.jpg"],
        f"PetImages/Dog/{count + 9}.jpg": encode(near, quality=70),
        f"PetImages/Cat/{count + 10}.jpg": rotated(of("Cat", count + 10)),
    }


def write_sample(path: Path, seed: int = 0) -> None:
    """Write the archive: 400 images per class in PetImages/, and the faulty members.

    The same seed gives the same bytes.
    """
    items = [(label, number) for label in KINDS for number in range(PER_CLASS)]
    drawn = map_shards(partial(_draw_shard, seed=seed), items, SHARD_SIZE, cores())
    bar = tqdm(drawn, desc="drawing", total=len(items), unit="image", disable=None)
    files = {
        f"PetImages/{label}/{number}.jpg": data
        for (label, number), data in zip(items, bar, strict=True)
    }
    files |= damage(files, seed)
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)
