"""Write, check and read a bundle: the artefact that is evaluated, explained and served."""

import json
from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.files import atomic_write, sha256_of, write_json

MODEL, LABELS, MANIFEST = "model.onnx", "labels.json", "manifest.json"


def write_bundle(folder: Path, model: bytes, labels: list[str], manifest: dict[str, Any]) -> None:
    """Write a bundle: the ONNX `model`, the labels, and a manifest with their hashes.

    The model maps uint8 RGB `images` (N, S, S, 3) to `probabilities` (N, C) and `heatmaps`
    (N, C, h, w), both float32. The labels and the hashes are added to `manifest`.
    """
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        (temporary / MODEL).write_bytes(model)
        write_json(temporary / LABELS, labels)
        hashes = {name: sha256_of(temporary / name) for name in (MODEL, LABELS)}
        write_json(temporary / MANIFEST, manifest | {"labels": labels, "sha256": hashes})


def check_bundle(folder: Path) -> dict[str, Any]:
    """Return the manifest. Raises ThawError if a part of the bundle is missing or damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ThawError(f"{folder} has no bundle: make one with `dvc repro export`") from None
    except ValueError:
        raise ThawError(
            f"{folder}/{MANIFEST} must be JSON, but is damaged: make the bundle again with "
            "`dvc repro --force export`"
        ) from None
    for name, expected in manifest["sha256"].items():
        found = sha256_of(folder / name) if (folder / name).is_file() else "missing"
        if found != expected:
            raise ThawError(
                f"{folder}/{name} must have SHA-256 {expected}, but is {found}: "
                "make the bundle again with `dvc repro --force export`"
            )
    return manifest


def read_labels(folder: Path) -> list[str]:
    """Class names of a bundle, in the order of its outputs."""
    return json.loads((folder / LABELS).read_text(encoding="utf-8"))
