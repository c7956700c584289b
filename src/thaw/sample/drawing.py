"""Draw scenes, coats and animals, and add light and noise."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from scipy.ndimage import gaussian_filter

SCALE = 2  # supersampling, against jagged edges
Colour = tuple[int, int, int]


class Head(NamedTuple):
    """Position of a head, in pixels."""

    centre: tuple[float, float]
    half: float  # half of its width
    tall: float  # half of its height


def colour(rng: np.random.Generator, low: int = 30, high: int = 225) -> Colour:
    """Draw a random colour."""
    red, green, blue = rng.integers(low, high, 3)
    return int(red), int(green), int(blue)


def shade(base: Colour, factor: float) -> Colour:
    """Make a colour darker (factor below 1) or lighter (above 1)."""
    red, green, blue = (int(np.clip(value * factor, 0, 255)) for value in base)
    return red, green, blue


def noise(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Smooth noise with a standard deviation of about 1, float (height, width)."""
    step = max(1, int(sigma / 2))  # coarse noise is made small and upsampled, which is faster
    small = (-(-size[1] // step), -(-size[0] // step))
    field = gaussian_filter(rng.standard_normal(small, np.float32), sigma / step, mode="wrap")
    field = np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BILINEAR))
    return field / (field.std() + 1e-9)


def scene(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Draw a background: a wall or sky above a floor or meadow, with some objects."""
    width, height = size
    top, bottom = np.array(colour(rng)), np.array(colour(rng))
    blend = np.linspace(0, 1, height)[:, None, None]
    horizon = int(height * rng.uniform(0.45, 0.9))
    ground = np.array(colour(rng))
    pixels = np.broadcast_to(top * (1 - blend) + bottom * blend, (height, width, 3)).copy()
    pixels[horizon:] = ground
    pixels += 8 * rng.random() * noise(rng, size, rng.uniform(1, 8))[..., None]
    if rng.random() < 0.3:
        stripes = np.sin(np.arange(width) * 2 * np.pi / rng.uniform(12, 60))
        pixels[:horizon] += 10 * stripes[None, :, None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 5)):
        clutter(rng, draw, size)
    return image


def clutter(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    """Draw a box, a ball, a plant or a triangle at a random position."""
    width, height = size
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    w, h = rng.uniform(0.08, 0.35, 2) * width
    kind, fill = rng.integers(4), colour(rng)
    if kind == 0:
        draw.rectangle((x, y, x + w, y + h), fill=fill, outline=shade(fill, 0.6), width=3)
    elif kind == 1:
        draw.ellipse((x, y, x + w, y + w), fill=fill)
    elif kind == 2:
        for _ in range(rng.integers(5, 14)):
            tip = (x + rng.normal(0, w / 2), y - abs(rng.normal(0, h)))
            draw.line((x, y, *tip), fill=shade((60, 140, 60), rng.uniform(0.5, 1.4)), width=5)
    else:
        draw.polygon([(x, y), (x + w, y + h), (x - w, y + h)], fill=fill)


def coat(rng: np.random.Generator, size: tuple[int, int], base: Colour, kind: str) -> Image.Image:
    """Draw fur of the given size: "solid", "tabby" (stripes), "patches" or "spots"."""
    width, height = size
    pixels = np.full((height, width, 3), base, dtype=float)
    other = np.array(shade(base, rng.choice([0.45, 0.6, 1.5, 1.9])), dtype=float)
    if kind == "tabby":
        angle, period = rng.uniform(-0.5, 0.5), rng.uniform(10, 24)
        rows, columns = np.mgrid[:height, :width]
        phase = columns * np.cos(angle) + rows * np.sin(angle) + 6 * noise(rng, size, 9)
        weight = (np.sin(phase * 2 * np.pi / period) > 0.35)[..., None]
    elif kind in ("patches", "spots"):
        sigma = rng.uniform(14, 26) if kind == "patches" else rng.uniform(3, 6)
        weight = (noise(rng, size, sigma) > rng.uniform(0.4, 1.1))[..., None]
    else:
        weight = np.zeros((height, width, 1), dtype=bool)
    pixels = np.where(weight, other, pixels) + 9 * noise(rng, size, 0.9)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Animal:
    """Features of an animal. Lengths are fractions of the head's width."""

    ears: str  # "pointed", "round", "long", "floppy", "folded" or "none"
    ear_length: float
    muzzle_width: float
    muzzle_length: float
    nose: float
    eye: float
    slit: bool  # vertical pupils
    whiskers: bool
    tongue: bool
    tail: str  # "thin", "thick", "bushy" or "none"
    head_height: float  # fraction of its width
    coat: Colour
    pattern: str
    pose: str  # "head", "sitting" or "side"


def animal(rng: np.random.Generator, looks: Animal, size: int) -> Image.Image:
    """Draw the animal on a transparent square of `size` pixels, standing on its lower edge."""
    layer = Image.new("RGBA", (size, size))
    fur = coat(rng, (size, size), looks.coat, looks.pattern)
    if looks.pose == "head":
        centre, head = (0.5 * size, 0.56 * size), 0.62 * size
    elif looks.pose == "sitting":
        centre, head = ((0.5 + rng.uniform(-0.05, 0.05)) * size, 0.34 * size), 0.37 * size
        _sitting(rng, layer, fur, looks, centre, size)
    else:
        centre, head = (0.25 * size, 0.36 * size), 0.31 * size
        _side(rng, layer, fur, looks, size)
    _head(rng, layer, fur, looks, centre, head)
    return layer


def _paste(layer: Image.Image, fur: Image.Image, kind: str, points: list, rim: float) -> None:
    """Fill a shape with fur, with a darker outline `rim` pixels wide."""
    mask = Image.new("L", layer.size)
    draw = ImageDraw.Draw(mask)
    getattr(draw, kind)(points, fill=255)
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    width, height = mask.size
    blur = max(1, round(rim))
    room = blur + 4  # the reach of the filters
    box = (
        max(0, left - room),
        max(0, top - room),
        min(width, right + room),
        min(height, bottom + room),
    )
    mask, fur = mask.crop(box), fur.crop(box)
    layer.paste(ImageEnhance.Brightness(fur).enhance(0.62), box, mask)
    inner = mask.filter(ImageFilter.BoxBlur(blur)).point(lambda value: 255 * (value > 250))
    layer.paste(fur, box, inner.filter(ImageFilter.GaussianBlur(1)))


def _curve(start: tuple, bend: tuple, end: tuple, steps: int = 16) -> list[tuple[float, float]]:
    t = np.linspace(0, 1, steps)[:, None]
    points = (
        (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(bend) + t**2 * np.array(end)
    )
    return [tuple(point) for point in points]


def _tail(layer: Image.Image, looks: Animal, path: list, size: int) -> None:
    draw = ImageDraw.Draw(layer)
    thick = {"thin": 0.035, "thick": 0.075, "bushy": 0.12}[looks.tail] * size
    for index, (x, y) in enumerate(path):
        taper = 1 - 0.5 * index / len(path) if looks.tail == "thick" else 1.0
        radius = thick * taper / 2
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade(looks.coat, 0.8))


def _sitting(rng, layer, fur, looks, centre, size) -> None:
    x, base = centre[0], 0.97 * size
    if looks.tail != "none":
        side = rng.choice([-1, 1])
        end = (x + side * rng.uniform(0.3, 0.42) * size, rng.uniform(0.4, 0.85) * size)
        bend = (x + side * 0.42 * size, 0.95 * size)
        _tail(layer, looks, _curve((x, 0.9 * size), bend, end, 40), size)
    wide = rng.uniform(0.19, 0.25) * size
    _paste(layer, fur, "ellipse", [x - wide, 0.42 * size, x + wide, base], 3)
    for side in (-1, 1):
        leg = x + side * 0.09 * size
        _paste(
            layer, fur, "ellipse", [leg - 0.055 * size, 0.62 * size, leg + 0.055 * size, base], 2
        )


def _side(rng, layer, fur, looks, size) -> None:
    top, low = 0.42 * size, rng.uniform(0.68, 0.74) * size
    if looks.tail != "none":
        end = (rng.uniform(0.88, 0.97) * size, rng.uniform(0.1, 0.6) * size)
        _tail(
            layer,
            looks,
            _curve((0.84 * size, 0.5 * size), (0.98 * size, 0.5 * size), end, 40),
            size,
        )
    thick = rng.uniform(0.035, 0.05) * size
    for leg in (0.32, 0.42, 0.72, 0.83):
        x = leg * size + rng.normal(0, 0.01) * size
        _paste(layer, fur, "ellipse", [x - thick, 0.55 * size, x + thick, 0.97 * size], 2)
    _paste(layer, fur, "ellipse", [0.22 * size, top, 0.9 * size, low], 3)


def _head(rng, layer, fur, looks, centre, head) -> None:
    x, y = centre
    half, tall = head / 2, head * looks.head_height / 2
    if looks.ears != "floppy":
        _ears(rng, layer, fur, looks, Head(centre, half, tall))
    _paste(layer, fur, "ellipse", [x - half, y - tall, x + half, y + tall], head / 60)
    if looks.ears == "floppy":
        _ears(rng, layer, fur, looks, Head(centre, half, tall))
    turn = rng.normal(0, 0.06) * head
    _eyes(rng, layer, looks, (x + turn, y - 0.12 * tall), half)
    _muzzle(rng, layer, fur, looks, Head((x + turn * 1.5, y), half, tall))


def _ears(rng, layer, fur, looks, head: Head) -> None:
    (x, y), half, tall = head
    length = looks.ear_length * half * 2
    for side in (-1, 1):
        root, jitter = x + side * 0.62 * half, rng.normal(0, 0.03) * half
        high = y - 0.72 * tall
        if looks.ears in ("pointed", "folded"):
            tip = (x + side * 0.85 * half + jitter, high - length)
            inner = (x + side * 0.18 * half, y - 0.9 * tall)
            outer = (x + side * 0.97 * half, y - 0.3 * tall)
            _paste(layer, fur, "polygon", [inner, tip, outer], 3)
            if looks.ears == "folded":
                middle = ((inner[0] + outer[0]) / 2, high + 0.1 * tall)
                half_tip = ((tip[0] + outer[0]) / 2, high - 0.35 * length)
                dark = ImageEnhance.Brightness(fur).enhance(0.75)
                _paste(layer, dark, "polygon", [inner, half_tip, outer, middle], 2)
            else:
                small = [
                    tuple(0.55 * np.array(point) + 0.45 * np.array([root, high - 0.2 * length]))
                    for point in (inner, tip, outer)
                ]
                ImageDraw.Draw(layer).polygon(small, fill=(205, 150, 145))
        elif looks.ears == "round":
            box = [root - length / 2, high - length / 2, root + length / 2, high + length / 2]
            _paste(layer, fur, "ellipse", box, 3)
        elif looks.ears == "long":
            box = [root - 0.16 * half, high - length, root + 0.16 * half, high + 0.4 * tall]
            _paste(layer, fur, "ellipse", box, 3)
        elif looks.ears == "floppy":
            dark = ImageEnhance.Brightness(fur).enhance(0.8)
            edge = x + side * (0.92 * half) + jitter
            box = [edge - 0.24 * half, y - 0.8 * tall, edge + 0.24 * half, y - 0.8 * tall + length]
            _paste(layer, dark, "ellipse", box, 3)


def _eyes(rng, layer, looks, centre, half) -> None:
    draw = ImageDraw.Draw(layer)
    x, y = centre
    size = looks.eye * half
    iris = tuple(
        int(v) for v in rng.choice([(200, 180, 60), (110, 170, 90), (90, 60, 30), (90, 140, 190)])
    )
    for side in (-1, 1):
        left = x + side * 0.4 * half
        draw.ellipse(
            (left - size, y - size, left + size, y + size), fill=iris, outline=(30, 25, 25), width=2
        )
        narrow = 0.3 * size if looks.slit else 0.62 * size
        tall = 0.9 * size if looks.slit else 0.62 * size
        draw.ellipse((left - narrow, y - tall, left + narrow, y + tall), fill=(15, 15, 15))
        glint = 0.2 * size
        draw.ellipse((left, y - 0.5 * size, left + glint, y - 0.5 * size + glint), fill="white")


def _muzzle(rng, layer, fur, looks, head: Head) -> None:
    (x, y), half, tall = head
    wide, long = looks.muzzle_width * half, looks.muzzle_length * tall
    light = ImageEnhance.Brightness(fur).enhance(rng.uniform(1.1, 1.4))
    top = y + 0.08 * tall
    _paste(layer, light, "ellipse", [x - wide, top, x + wide, top + long], 2)
    draw = ImageDraw.Draw(layer)
    nose, bridge = looks.nose * half, top + 0.3 * long
    dark = tuple(int(v) for v in rng.choice([(25, 22, 22), (60, 40, 38), (190, 110, 110)]))
    draw.ellipse((x - nose, bridge - 0.7 * nose, x + nose, bridge + 0.7 * nose), fill=dark)
    mouth = bridge + 0.28 * long
    draw.line((x, bridge, x, mouth), fill=(30, 25, 25), width=3)
    for side in (-1, 1):
        ends = sorted((x, x + side * 0.6 * wide))
        draw.arc(
            (ends[0], mouth - 0.15 * long, ends[1], mouth + 0.15 * long), 0, 180, (30, 25, 25), 3
        )
    if looks.tongue:
        draw.ellipse(
            (x - 0.3 * wide, mouth, x + 0.3 * wide, mouth + 0.55 * long), fill=(215, 95, 110)
        )
    if looks.whiskers:
        for side in (-1, 1):
            for slope in (-0.18, 0.0, 0.18):
                end = (x + side * rng.uniform(1.0, 1.35) * half, bridge + slope * half * 2)
                draw.line(
                    (x + side * 0.35 * wide, bridge + 0.1 * long, *end),
                    fill=(235, 235, 235),
                    width=2,
                )


def compose(
    rng: np.random.Generator, subject: Image.Image, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """Place the subject in a scene with random tilt, position, occlusion and light.

    Returns the image, and as "L" where the subject is: 255 where it is seen, 0 where it is not.
    """
    large = (size[0] * SCALE, size[1] * SCALE)
    image = scene(rng, large)
    side = int(min(large) * rng.uniform(0.78, 1.05))
    subject = subject.rotate(rng.normal(0, 7), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        subject = subject.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    subject = subject.resize((side, side), Image.Resampling.BILINEAR)
    free = (large[0] - side, large[1] - side)
    place = (int(rng.uniform(0, 1) * free[0]), int(rng.uniform(0.4, 1) * free[1]))
    image.paste(subject, place, subject)
    seen = Image.new("L", large)
    seen.paste(subject.getchannel("A"), place)
    if rng.random() < 0.22:
        front = Image.new("RGBA", large)
        clutter(rng, ImageDraw.Draw(front), large)
        image.paste(front, mask=front)
        seen.paste(0, mask=front)
    image = finish(rng, image.resize(size, Image.Resampling.BOX))
    return image, seen.resize(size, Image.Resampling.BOX)


def finish(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Add random light, colour cast, blur and sensor noise."""
    pixels = np.asarray(image, dtype=float) * rng.uniform(0.6, 1.2)
    pixels *= 1 + rng.normal(0, 0.05, 3)
    slope = np.linspace(-1, 1, image.width)[None, :, None] * rng.normal(0, 0.15)
    pixels = pixels * (1 + slope) + rng.normal(0, rng.uniform(2, 9), pixels.shape)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(max(0.0, rng.normal(0.3, 0.5))))
