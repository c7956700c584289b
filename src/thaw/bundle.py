"""Write, check and read a bundle: the artefact that is evaluated, explained and served."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.files import atomic_write, sha256_of, write_json

MODEL, LABELS, MANIFEST = "model.onnx", "labels.json", "manifest.json"
SEEN = "seen_images.txt"  # a part of the bundle, as the two above
UNKNOWN = 64 * "0"  # stands for the manifest's own hash while that is computed
IMAGE_ID_DIGITS = 16  # of an image's SHA-256; a collision of a million images has a chance of 3e-8


def write_bundle(
    folder: Path,
    model: bytes,
    labels: list[str],
    manifest: dict[str, Any],
    seen: Iterable[str] = (),
) -> None:
    """Write a bundle: the ONNX `model`, the labels, the images it has seen, and a manifest.

    The model maps uint8 RGB `images` (N, S, S, 3) to `probabilities` (N, C) and `heatmaps`
    (N, C, h, w), both float32. seen: SHA-256 of each image file that training used, or that a
    choice such as the best epoch was made on. The labels, the hash of each part and of the
    manifest itself are added to `manifest`.
    """
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        (temporary / MODEL).write_bytes(model)
        write_json(temporary / LABELS, labels)
        ids = sorted(sha256[:IMAGE_ID_DIGITS] for sha256 in seen)
        (temporary / SEEN).write_text("".join(f"{image}\n" for image in ids), encoding="utf-8")
        hashes = {name: sha256_of(temporary / name) for name in (MODEL, LABELS, SEEN)}
        content = manifest | {"labels": labels, "sha256": hashes | {MANIFEST: UNKNOWN}}
        write_json(temporary / MANIFEST, content)
        hashes[MANIFEST] = sha256_of(temporary / MANIFEST)
        write_json(temporary / MANIFEST, content | {"sha256": hashes})


def check_bundle(folder: Path) -> dict[str, Any]:
    """Return the manifest. Raises ThawError if a part of the bundle is missing or damaged."""
    if not (folder / MANIFEST).is_file():
        raise ThawError(f"{folder} has no bundle: make one with `dvc repro export`")
    text = (folder / MANIFEST).read_bytes()
    try:
        manifest = json.loads(text)
        hashes = manifest["sha256"]
        own = hashlib.sha256(text.replace(hashes[MANIFEST].encode(), UNKNOWN.encode())).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(folder / MANIFEST, "be the JSON of a bundle", "is not") from None
    if own != hashes[MANIFEST]:
        raise _damaged(folder / MANIFEST, f"have SHA-256 {hashes[MANIFEST]}", f"has {own}")
    for name in (MODEL, LABELS, SEEN):
        found = sha256_of(folder / name) if (folder / name).is_file() else "none, it is missing"
        if found != hashes.get(name):
            raise _damaged(folder / name, f"have SHA-256 {hashes.get(name)}", f"has {found}")
    return manifest


def _damaged(path: Path, rule: str, received: str) -> ThawError:
    return ThawError(
        f"{path} must {rule}, but {received}: make the bundle again with `dvc repro --force export`"
    )


def check_unseen(folder: Path, images: Iterable[str]) -> None:
    """Raise ThawError if the bundle has seen any of the images, given by their SHA-256."""
    seen = set((folder / SEEN).read_text(encoding="utf-8").split())
    common = [sha256 for sha256 in images if sha256[:IMAGE_ID_DIGITS] in seen]
    if common:
        raise ThawError(
            f"no test image may be among those that the bundle in {folder} was trained or chosen "
            f"on, but {len(common)} are, first SHA-256 {common[0]}: run `dvc repro`"
        )


def read_labels(folder: Path) -> list[str]:
    """Class names of a bundle, in the order of its outputs."""
    return json.loads((folder / LABELS).read_text(encoding="utf-8"))
