"""Draw fifteen classes other than cats and dogs, for pre-training the sample's base."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from thaw.sample.drawing import Animal, animal, colour, compose, shade

CANVAS = 256


def _beast(**given: object) -> Callable[[np.random.Generator], Image.Image]:
    """Return a function that draws animals with the given features; the others vary."""

    def draw(rng: np.random.Generator) -> Image.Image:
        features: dict[str, Any] = {
            "ears": "none",
            "ear_length": rng.uniform(0.3, 0.5),
            "muzzle_width": rng.uniform(0.3, 0.6),
            "muzzle_length": rng.uniform(0.5, 0.9),
            "nose": rng.uniform(0.08, 0.22),
            "eye": rng.uniform(0.1, 0.22),
            "slit": bool(rng.random() < 0.3),
            "whiskers": bool(rng.random() < 0.4),
            "tongue": bool(rng.random() < 0.2),
            "tail": str(rng.choice(["thin", "thick", "bushy", "none"])),
            "head_height": rng.uniform(0.8, 1.15),
            "coat": colour(rng, 40, 220),
            "pattern": str(rng.choice(["solid", "tabby", "patches", "spots"])),
            "pose": str(rng.choice(["head", "sitting", "side"])),
        }
        return animal(rng, Animal(**(features | given)), CANVAS)

    return draw


def _shape(paint: Callable[[np.random.Generator, ImageDraw.ImageDraw], None]):
    def draw(rng: np.random.Generator) -> Image.Image:
        layer = Image.new("RGBA", (CANVAS, CANVAS))
        paint(rng, ImageDraw.Draw(layer))
        return layer

    return draw


def _fish(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    fill, tall = colour(rng), rng.uniform(40, 75)
    draw.polygon([(175, 128), (245, 128 - tall), (245, 128 + tall)], fill=shade(fill, 0.7))
    draw.polygon([(90, 128), (150, 128 - 1.7 * tall), (160, 128)], fill=shade(fill, 0.8))
    draw.ellipse((20, 128 - tall, 200, 128 + tall), fill=fill, outline=shade(fill, 0.5), width=3)
    draw.ellipse((45, 105, 65, 125), fill="white")
    draw.ellipse((51, 111, 61, 121), fill="black")


def _house(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    wall, roof = colour(rng), colour(rng)
    draw.rectangle((50, 120, 206, 250), fill=wall, outline=shade(wall, 0.5), width=3)
    draw.polygon([(30, 122), (128, rng.uniform(20, 70)), (226, 122)], fill=roof)
    draw.rectangle((112, 180, 146, 250), fill=shade(roof, 0.6))
    for x in (66, 162):
        draw.rectangle((x, 145, x + 28, 170), fill=(200, 220, 235), outline=(40, 40, 40), width=2)


def _car(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    fill, top = colour(rng), rng.uniform(80, 110)
    draw.polygon([(60, 150), (90, top), (165, top), (200, 150)], fill=shade(fill, 1.2))
    draw.rounded_rectangle((15, 145, 241, 205), 18, fill=fill, outline=shade(fill, 0.5), width=3)
    for x in (70, 188):
        draw.ellipse((x - 26, 182, x + 26, 234), fill=(25, 25, 25))
        draw.ellipse((x - 11, 197, x + 11, 219), fill=(170, 170, 170))


def _tree(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((112, 140, 144, 252), fill=shade((110, 75, 45), rng.uniform(0.7, 1.3)))
    for _ in range(rng.integers(8, 16)):
        x, y, r = rng.uniform(70, 186), rng.uniform(45, 140), rng.uniform(25, 48)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=shade((70, 140, 60), rng.uniform(0.6, 1.5)))


def _flower(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    fill, petals = colour(rng), int(rng.integers(5, 11))
    draw.line((128, 110, 128 + rng.normal(0, 20), 252), fill=(50, 120, 50), width=8)
    for turn in np.arange(petals) * 2 * np.pi / petals:
        x, y = 128 + 52 * np.cos(turn), 100 + 52 * np.sin(turn)
        draw.ellipse((x - 33, y - 33, x + 33, y + 33), fill=fill, outline=shade(fill, 0.6), width=2)
    draw.ellipse((98, 70, 158, 130), fill=colour(rng))


def _butterfly(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    fill, spot = colour(rng), colour(rng)
    for side in (-1, 1):
        for y, wide, tall in ((90, 85, 60), (170, 60, 45)):
            ends = sorted((128, 128 + side * wide * 1.3))
            box = (ends[0], y - tall, ends[1], y + tall)
            draw.ellipse(box, fill=fill, outline=shade(fill, 0.5), width=4)
            x = (ends[0] + ends[1]) / 2
            draw.ellipse((x - 15, y - 15, x + 15, y + 15), fill=spot)
    draw.ellipse((118, 50, 138, 220), fill=(40, 30, 30))


def _cup(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    fill = colour(rng)
    draw.arc((160, 100, 236, 190), -100, 100, shade(fill, 0.7), 14)
    draw.polygon([(45, 70), (195, 70), (172, 235), (68, 235)], fill=fill)
    draw.ellipse((45, 50, 195, 90), fill=shade(fill, 0.6), outline=fill, width=5)


def _star(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    tips, inner = int(rng.integers(4, 9)), rng.uniform(0.35, 0.6)
    turns = np.arange(2 * tips) * np.pi / tips
    radii = np.where(np.arange(2 * tips) % 2, inner, 1.0) * 110
    points = [(128 + r * np.sin(t), 128 - r * np.cos(t)) for r, t in zip(radii, turns, strict=True)]
    draw.polygon(points, fill=colour(rng), outline=(30, 30, 30))


def _bird(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> None:
    fill = colour(rng)
    draw.polygon([(190, 150), (252, 110), (250, 175)], fill=shade(fill, 0.6))
    draw.ellipse((70, 95, 210, 205), fill=fill)
    draw.ellipse((35, 50, 115, 130), fill=shade(fill, 1.15))
    draw.polygon([(40, 85), (5, 98), (42, 108)], fill=(225, 160, 40))
    draw.ellipse((58, 72, 76, 90), fill="black")
    draw.ellipse((105, 120, 195, 170), fill=shade(fill, 0.7))
    for x in (125, 155):
        draw.line((x, 200, x, 246), fill=(190, 130, 40), width=5)


THINGS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "rabbit": _beast(ears="long", ear_length=0.75, tail="none", muzzle_width=0.35),
    "bear": _beast(ears="round", ear_length=0.3, tail="none", muzzle_width=0.5),
    "mouse": _beast(ears="round", ear_length=0.62, tail="thin", muzzle_width=0.3, whiskers=True),
    "seal": _beast(ears="none", tail="none", whiskers=True, muzzle_width=0.62),
    "goat": _beast(ears="floppy", ear_length=0.35, head_height=1.3, muzzle_length=0.9),
    "fox": _beast(ears="pointed", ear_length=0.35, tail="bushy", muzzle_width=0.28, slit=False),
    "fish": _shape(_fish),
    "bird": _shape(_bird),
    "house": _shape(_house),
    "car": _shape(_car),
    "tree": _shape(_tree),
    "flower": _shape(_flower),
    "butterfly": _shape(_butterfly),
    "cup": _shape(_cup),
    "star": _shape(_star),
}


def thing(rng: np.random.Generator, kind: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image of one class in a scene: uint8 RGB (size, size, 3).

    Also where the thing is seen: uint8 (size, size), from 0 to 255.
    """
    image, seen = compose(rng, THINGS[kind](rng), (size, size))
    return np.asarray(image), np.asarray(seen)
