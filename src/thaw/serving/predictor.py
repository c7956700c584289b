"""The one way to run an exported bundle: decode → probabilities and heat maps."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from thaw.data.images import decode
from thaw.errors import ThawError
from thaw.files import sha256_of
from thaw.runtime import compile_model


def check_bundle(bundle: Path) -> dict[str, Any]:
    """The manifest of a bundle whose parts are whole; raises ThawError naming what is not."""
    try:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ThawError(f"no bundle in {bundle}: make one with `dvc repro export`") from None
    except ValueError:
        raise ThawError(
            f"{bundle}/manifest.json must be JSON, but is damaged: make the bundle again with "
            "`dvc repro --force export`"
        ) from None
    for name, expected in manifest["sha256"].items():
        found = sha256_of(bundle / name) if (bundle / name).is_file() else "missing"
        if found != expected:
            raise ThawError(
                f"{bundle}/{name} must have SHA-256 {expected}, but is {found}: "
                "make the bundle again with `dvc repro --force export`"
            )
    return manifest


class Predictor:
    """A bundle, checked against its hashes and compiled once.

    labels: class names in the order of the outputs; image_size: pixels a side; manifest: what the
    bundle says of itself. Raises ThawError when the bundle is missing or damaged.
    """

    def __init__(self, bundle: str | Path = "models/bundle"):
        bundle = Path(bundle)
        self.manifest = check_bundle(bundle)
        self.labels: list[str] = json.loads((bundle / "labels.json").read_text(encoding="utf-8"))
        self.image_size: int = self.manifest["image_size"]
        self._network = compile_model(bundle / "model.onnx", self.manifest["precision"])

    def decode(self, data: bytes) -> np.ndarray:
        """Encoded picture → uint8 RGB (S, S, 3), as the network was trained on."""
        return decode(data, self.image_size)

    def predict(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, S, S, 3) → probabilities (N, C) and Grad-CAM heat maps (N, C, h, w), float32.

        Each picture is run by itself, as a request to the API is, so what is measured over a set
        does not depend on which pictures stood in a batch together.
        """
        outputs = [self._network(picture[None]) for picture in pictures]
        probabilities = np.concatenate([output["probabilities"] for output in outputs])
        return probabilities, np.concatenate([output["heatmaps"] for output in outputs])
