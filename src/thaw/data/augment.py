"""Make a view of an image: a randomly augmented copy."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from thaw.params import Augment

MESH_CELLS = 12  # a side; an elastic deformation is bilinear within each cell
MAGNITUDES = (
    "rotation", "shift_x", "shift_y", "shear", "zoom", "brightness", "contrast", "saturation"
)  # fmt: skip


@dataclass(frozen=True)
class Draws:
    """The random numbers of one view.

    All are drawn, whatever is enabled. So switching one augmentation leaves the others unchanged.
    """

    flip: bool
    magnitudes: dict[str, float]  # by name in MAGNITUDES, in [-1, 1], relative to the range
    displacement: np.ndarray  # (2, 3, 3), in [-1, 1]: x and y at the elastic control points
    blur: float  # this and the numbers below in [0, 1]
    erase: bool
    erase_area: float
    erase_aspect: float
    erase_corner: np.ndarray  # (2,): top, left


def draw(rng: np.random.Generator) -> Draws:
    """Draw the random numbers of one view."""
    return Draws(
        flip=bool(rng.random() < 0.5),
        magnitudes=dict(zip(MAGNITUDES, rng.uniform(-1, 1, len(MAGNITUDES)).tolist(), strict=True)),
        displacement=rng.uniform(-1, 1, (2, 3, 3)),
        blur=float(rng.random()),
        erase=bool(rng.random() < 0.5),
        erase_area=float(rng.random()),
        erase_aspect=float(rng.random()),
        erase_corner=rng.random(2),
    )


def make_view(image: np.ndarray, settings: Augment, seed: int, sha256: str, k: int) -> np.ndarray:
    """Make view `k` (1, 2, …) of an image: uint8 RGB (S, S, 3) → the same shape and dtype.

    The result depends only on the arguments. sha256: of the image's file, in hexadecimal. With
    every range 0 and no flip the view equals the image.
    """
    rng = np.random.default_rng([seed, int(sha256[:16], 16), k])
    draws = draw(rng)
    warped = Image.fromarray(_warp(image, _sampling_map(len(image), settings, draws)))
    for enhancer, key in (
        (ImageEnhance.Brightness, "brightness"),
        (ImageEnhance.Contrast, "contrast"),
        (ImageEnhance.Color, "saturation"),
    ):
        if limit := getattr(settings, key):
            warped = enhancer(warped).enhance(1 + limit * draws.magnitudes[key])
    if settings.blur:
        warped = warped.filter(ImageFilter.GaussianBlur(settings.blur * draws.blur))
    result = np.array(warped)
    if settings.erase and draws.erase:
        _erase(result, settings.erase, draws, rng)
    return result


def _sampling_map(size: int, settings: Augment, draws: Draws) -> np.ndarray:
    """Source position (x, y) in pixels of each mesh corner: (cells + 1, cells + 1, 2).

    Flip, zoom, shear, rotation, shift and elastic deformation form one map, so the image is
    sampled once. The elastic deformation moves a 3 x 3 grid of control points at random and
    interpolates bicubically (Ronneberger et al. 2015, U-Net, section 3.1).
    """
    cells = MESH_CELLS if settings.elastic else 1
    edges = _cell_edges(size, cells) / size - 0.5
    points = np.stack(np.meshgrid(edges, edges), axis=-1) @ _linear_map(settings, draws).T
    points += settings.shift * np.array([draws.magnitudes["shift_x"], draws.magnitudes["shift_y"]])
    if settings.elastic:
        for axis in range(2):
            coarse = Image.fromarray(draws.displacement[axis].astype(np.float32))
            fine = coarse.resize((cells + 1, cells + 1), Image.Resampling.BICUBIC)
            points[..., axis] += settings.elastic * np.asarray(fine)
    return (points + 0.5) * size


def _cell_edges(size: int, cells: int) -> np.ndarray:
    """Edges of the mesh cells in the view, in whole pixels: int (cells + 1,)."""
    return np.linspace(0, size, cells + 1).round().astype(int)


def _linear_map(settings: Augment, draws: Draws) -> np.ndarray:
    """Matrix (2, 2) from view to image coordinates, both relative to the centre."""
    angle, shear_angle = np.deg2rad(
        [
            settings.rotation * draws.magnitudes["rotation"],
            settings.shear * draws.magnitudes["shear"],
        ]
    )
    flip = np.diag([-1.0 if settings.flip and draws.flip else 1.0, 1.0])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1.0, np.tan(shear_angle)], [0.0, 1.0]])
    return rotation @ shear @ flip / (1 + settings.zoom * draws.magnitudes["zoom"])


def _warp(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sample the image bilinearly at the mesh `points`, with reflection beyond its edges."""
    size, cells = len(image), len(points) - 1
    margin = int(np.ceil(max(0.0, -points.min(), points.max() - size))) + 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    edges = _cell_edges(size, cells).tolist()
    mesh = []
    for i in range(cells):
        for j in range(cells):
            # Pillow's order: north-west, south-west, south-east, north-east.
            corners = points[[i, i + 1, i + 1, i], [j, j, j + 1, j + 1]] + margin
            box = (edges[j], edges[i], edges[j + 1], edges[i + 1])
            mesh.append((box, corners.ravel().tolist()))
    bilinear = Image.Resampling.BILINEAR
    source = Image.fromarray(padded)
    return np.asarray(source.transform((size, size), Image.Transform.MESH, mesh, bilinear))


def _erase(image: np.ndarray, max_area: float, draws: Draws, rng: np.random.Generator) -> None:
    """Fill a rectangle with noise, in place (Zhong et al. 2017, Random Erasing).

    Its area is at most `max_area`, a fraction of the image; its aspect is in [0.3, 1 / 0.3].
    """
    size = len(image)
    aspect = 0.3 ** (2 * draws.erase_aspect - 1)
    sides = size * np.sqrt(max_area * draws.erase_area * np.array([aspect, 1 / aspect]))
    height, width = np.minimum(sides.round().astype(int), size)
    top, left = (draws.erase_corner * (size - np.array([height, width]) + 1)).astype(int)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    image[top : top + height, left : left + width] = noise


def encode_jpeg(image: np.ndarray) -> bytes:
    """Encode uint8 RGB (H, W, 3) as JPEG of quality 95 without chroma subsampling."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()
