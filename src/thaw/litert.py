"""Write, check and run the LiteRT file: the classifier for phones and small computers."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.files import atomic_write, damage_explained, read_json, sha256_of, write_json

CLASSIFIER, LABELS, MANIFEST = "classifier.tflite", "labels.json", "manifest.json"
ON_DEVICE = Path(__file__).parent / "on_device"  # files that the folder gets as they are
OUTPUTS = {"probabilities", "heatmaps", "embedding", "unknown_score"}
ADVICE = "make it again with `dvc repro --force export`"


def write_litert(folder: Path, model: bytes, labels: list[str], manifest: dict[str, Any]) -> None:
    """Write a folder: the `model` of thaw.model.litert, the labels, what an answer takes, a README.

    manifest: that of the bundle, of which what a device needs is taken.
    """
    rule = DecisionRule.of(manifest)
    with atomic_write(folder) as temporary:
        shutil.copytree(ON_DEVICE, temporary, ignore=shutil.ignore_patterns("__pycache__"))
        (temporary / CLASSIFIER).write_bytes(model)
        write_json(temporary / LABELS, labels)
        content = {
            **{key: manifest[key] for key in ("image_size", "resize", "tta_flip", "temperature")},
            "costs": rule.cost_matrix(len(labels)).tolist(),
            "most_risk": rule.most_risk,
            "unknown_limit": manifest["unknown"]["limit"],
            "sha256": sha256_of(temporary / CLASSIFIER),
        }
        write_json(temporary / MANIFEST, content)


def write_nothing(folder: Path) -> None:
    """Write a folder with a file that says why there is no model."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        write_json(temporary / MANIFEST, {"sha256": None, "why": "not in export.formats"})


class LiteRT:
    """A LiteRT file, run by LiteRT.

    On one thread: with more, sums are divided among them, and the last digits depend on their
    number. Raises ThawError if the file is missing or damaged, or LiteRT is not installed.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ModuleNotFoundError:
            raise ThawError(
                f"{folder / CLASSIFIER} runs with the package ai-edge-litert, which is not "
                "installed: run `pip install 'thaw[litert]'`"
            ) from None
        path = folder / CLASSIFIER
        with damage_explained(path, ADVICE):
            if (found := sha256_of(path)) != sha256:
                raise ValueError(f"it must have SHA-256 {sha256}, but has {found}")
            self._run = Interpreter(str(path), num_threads=1).get_signature_runner()
            if missing := OUTPUTS - set(self._run.get_output_details()):
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
        self.megabytes = path.stat().st_size / 1e6

    def predict(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Image, uint8 RGB (S, S, 3) → the outputs by name, without the axis of images."""
        return {name: array[0] for name, array in self._run(images=image[None]).items()}


def open_litert(folder: Path) -> LiteRT | None:
    """The file in a folder of the stage `export`; None if none was asked for."""
    sha256 = read_json(folder / MANIFEST, ["sha256"])["sha256"]
    return None if sha256 is None else LiteRT(folder, sha256)
