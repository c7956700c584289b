"""Run a bundle: decode → probabilities and heatmaps."""

from pathlib import Path

import numpy as np

from thaw.bundle import MODEL, check_bundle, read_labels
from thaw.images import decode
from thaw.runtime import compile_model

MAX_MEGAPIXELS = 50.0  # of a bundle that does not say


class Predictor:
    """A bundle, checked against its hashes and compiled once.

    labels: class names, in the order of the outputs. image_size: width and height, pixels.
    resize: see thaw.images.decode. max_megapixels: of an image; larger ones are refused.
    manifest: the content of manifest.json. Raises ThawError if the bundle is missing or damaged.
    """

    def __init__(self, bundle: str | Path = "models/bundle"):
        bundle = Path(bundle)
        self.manifest = check_bundle(bundle)
        self.labels = read_labels(bundle)
        self.image_size: int = self.manifest["image_size"]
        self.resize: str = self.manifest.get("resize", "squash")
        self.max_megapixels: float = self.manifest.get("max_megapixels", MAX_MEGAPIXELS)
        self._network = compile_model(bundle / MODEL, self.manifest["precision"])

    def decode(self, data: bytes) -> np.ndarray:
        """Encoded image → uint8 RGB (S, S, 3), decoded as in training. Raises UnusableImage."""
        return decode(data, self.image_size, self.resize, self.max_megapixels)

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, S, S, 3) → probabilities (N, C) and Grad-CAM heatmaps (N, C, h, w), float32.

        Each image runs alone, as in a request to the API, so that no result depends on the other
        images.
        """
        outputs = [self._network(image[None]) for image in images]
        probabilities = np.concatenate([output["probabilities"] for output in outputs])
        return probabilities, np.concatenate([output["heatmaps"] for output in outputs])
