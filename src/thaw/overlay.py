"""Overlay a heatmap on its image."""

import numpy as np
from PIL import Image

# Nine colours of matplotlib's "inferno", which is perceptually uniform.
VALUES = np.linspace(0, 1, 9)
COLOURS = np.array(
    [
        (0, 0, 4),
        (33, 12, 74),
        (87, 16, 110),
        (138, 34, 106),
        (188, 55, 84),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    dtype=np.float64,
)
MAX_OPACITY = 0.75  # at the maximum of the heatmap, unless told


def overlay(image: np.ndarray, heatmap: np.ndarray, opacity: float = MAX_OPACITY) -> np.ndarray:
    """Overlay a Grad-CAM heatmap (Selvaraju et al. 2017, eq. 2) on its image.

    image: uint8 RGB (H, W, 3); heatmap: float (h, w), not negative, any scale. Returns uint8 RGB
    (H, W, 3). The heatmap is resized bilinearly and divided by its maximum; colour and opacity
    follow its values. opacity: at the maximum, from 0 to 1. A heatmap of zeros returns the image.
    """
    height, width = image.shape[:2]
    resized = Image.fromarray(heatmap.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    values = np.asarray(resized, dtype=np.float64).clip(min=0)
    values = values / values.max() if values.max() > 0 else values
    colour = np.stack([np.interp(values, VALUES, channel) for channel in COLOURS.T], axis=-1)
    share = opacity * values[..., None]
    return np.rint((1 - share) * image + share * colour).astype(np.uint8)
