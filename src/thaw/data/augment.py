"""A view of an image: a turned, shifted, bent, relit, blurred or partly erased copy."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from thaw.params import Augment

CELLS = 12  # a side; the bent sampling map is bilinear within each


@dataclass(frozen=True)
class Draws:
    """The random numbers of one view; all are drawn whatever is on.

    So turning one kind of change on or off leaves the others as they were.
    """

    flip: bool
    signed: dict[str, float]  # by key of `Augment`, in [-1, 1]
    bend: np.ndarray  # (2, 3, 3), in [-1, 1]
    blur: float  # this and the others in [0, 1]
    erases: bool
    area: float
    aspect: float
    corner: np.ndarray  # (2,)


SIGNED = ("rotation", "shift_x", "shift_y", "shear", "zoom", "brightness", "contrast", "saturation")


def draw(rng: np.random.Generator) -> Draws:
    """Draw for one view."""
    return Draws(
        flip=bool(rng.random() < 0.5),
        signed=dict(zip(SIGNED, rng.uniform(-1, 1, len(SIGNED)).tolist(), strict=True)),
        bend=rng.uniform(-1, 1, (2, 3, 3)),
        blur=float(rng.random()),
        erases=bool(rng.random() < 0.5),
        area=float(rng.random()),
        aspect=float(rng.random()),
        corner=rng.random(2),
    )


def view(image: np.ndarray, settings: Augment, seed: int, sha256: str, k: int) -> np.ndarray:
    """View `k` (1, 2, …) of an image: uint8 RGB (S, S, 3) → the same shape.

    It depends on nothing but the image, the settings, the seed, the SHA-256 of the image's
    file, and k. With every range 0 and no flip it is the image.
    """
    rng = np.random.default_rng([seed, int(sha256[:16], 16), k])
    draws = draw(rng)
    moved = Image.fromarray(_sample(image, _sampling_map(len(image), settings, draws)))
    for enhancer, key in (
        (ImageEnhance.Brightness, "brightness"),
        (ImageEnhance.Contrast, "contrast"),
        (ImageEnhance.Color, "saturation"),
    ):
        if reach := getattr(settings, key):
            moved = enhancer(moved).enhance(1 + reach * draws.signed[key])
    if settings.blur:
        moved = moved.filter(ImageFilter.GaussianBlur(settings.blur * draws.blur))
    result = np.array(moved)
    if settings.erase and draws.erases:
        _erase(result, settings.erase, draws, rng)
    return result


def _sampling_map(size: int, settings: Augment, draws: Draws) -> np.ndarray:
    """Where the corners of the map's cells lie in the image, in pixels: (n + 1, n + 1, 2), x y.

    Flip, zoom, shear, rotation, shift and bending are one map, so that the image is sampled
    once. Bending moves a 3 x 3 grid of points at random and interpolates between them by cubics
    (Ronneberger et al. 2015, U-Net, section 3.1).
    """
    cells = CELLS if settings.elastic else 1
    edge = _edges(size, cells) / size - 0.5
    points = np.stack(np.meshgrid(edge, edge), axis=-1) @ _matrix(settings, draws).T
    points += settings.shift * np.array([draws.signed["shift_x"], draws.signed["shift_y"]])
    if settings.elastic:
        for axis in range(2):
            coarse = Image.fromarray(draws.bend[axis].astype(np.float32))
            fine = coarse.resize((cells + 1, cells + 1), Image.Resampling.BICUBIC)
            points[..., axis] += settings.elastic * np.asarray(fine)
    return (points + 0.5) * size


def _edges(size: int, cells: int) -> np.ndarray:
    """Where the cells begin and end in the view, in whole pixels: int (cells + 1,)."""
    return np.linspace(0, size, cells + 1).round().astype(int)


def _matrix(settings: Augment, draws: Draws) -> np.ndarray:
    """From the view's coordinates about its centre to the image's, (2, 2)."""
    turn, slant = np.deg2rad(
        [settings.rotation * draws.signed["rotation"], settings.shear * draws.signed["shear"]]
    )
    mirror = -1.0 if settings.flip and draws.flip else 1.0
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[1.0, np.tan(slant)], [0.0, 1.0]])
    return rotation @ shear @ np.diag([mirror, 1.0]) / (1 + settings.zoom * draws.signed["zoom"])


def _sample(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sample bilinearly at the map; beyond its edges the image is mirrored."""
    size, cells = len(image), len(points) - 1
    margin = int(np.ceil(max(0.0, -points.min(), points.max() - size))) + 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    edge = _edges(size, cells).tolist()
    mesh = []
    for i in range(cells):
        for j in range(cells):
            # Pillow's order: north-west, south-west, south-east, north-east.
            corners = points[[i, i + 1, i + 1, i], [j, j, j + 1, j + 1]] + margin
            mesh.append(((edge[j], edge[i], edge[j + 1], edge[i + 1]), corners.ravel().tolist()))
    bilinear = Image.Resampling.BILINEAR
    source = Image.fromarray(padded)
    return np.asarray(source.transform((size, size), Image.Transform.MESH, mesh, bilinear))


def _erase(image: np.ndarray, largest: float, draws: Draws, rng: np.random.Generator) -> None:
    """Fill a rectangle with noise, in place (Zhong et al. 2017, Random Erasing).

    Its area is up to `largest` of the image, its aspect between 0.3 and 1 / 0.3.
    """
    size = len(image)
    aspect = 0.3 ** (2 * draws.aspect - 1)
    sides = size * np.sqrt(largest * draws.area * np.array([aspect, 1 / aspect]))
    height, width = np.minimum(sides.round().astype(int), size)
    top, left = (draws.corner * (size - np.array([height, width]) + 1)).astype(int)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    image[top : top + height, left : left + width] = noise


def encode(image: np.ndarray) -> bytes:
    """uint8 RGB → JPEG, nearly without loss."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()
