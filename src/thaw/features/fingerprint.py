"""The fingerprint of stored embeddings and activations: what they depend on."""

from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.files import atomic_write, read_json, write_json


def check_fingerprint(expected: dict[str, Any], found: dict[str, Any], source: str) -> None:
    """Raise ThawError unless `found`, read from `source`, has the values of `expected`."""
    different = [key for key in expected if expected[key] != found.get(key)]
    if different:
        detail = ", ".join(f"{key} {found.get(key)!r}, not {expected[key]!r}" for key in different)
        raise ThawError(
            f"{source} must match the network that uses it, but has {detail}: run `dvc repro` so "
            "that every stage runs with the same params"
        )


def read_fingerprint(folder: Path) -> dict[str, Any]:
    """Read the fingerprint of embeddings or activations; see `BackboneInfo`."""
    return read_json(folder / "fingerprint.json", ["image_size", "resize"])


def write_nothing(folder: Path, fingerprint: dict[str, Any]) -> None:
    """Write a folder of activations for a base that is frozen entirely: a file that says so."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        why = {"activations": "none: the entire base is frozen, so training needs embeddings only"}
        write_json(temporary / "fingerprint.json", fingerprint | why)
