"""Write, check and read a bundle: the artefact that is evaluated, explained and served."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from thaw.errors import ThawError
from thaw.files import atomic_write, sha256_of, write_json

FORMAT = 1  # of what `write_bundle` writes; bundles of before it have none, which counts as 0
MODEL, LABELS, MANIFEST = "model.onnx", "labels.json", "manifest.json"
SEEN = "seen_images.txt"  # a part of the bundle, as the two above
METRICS = "metrics.json"  # no part: what evaluation found of it, packed with it
UNKNOWN = 64 * "0"  # stands for the manifest's own hash while that is computed
NEEDED = {"labels": list, "image_size": int, "precision": str}  # in every manifest
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
        content = {"format": FORMAT, **manifest, "labels": labels}
        content["sha256"] = hashes | {MANIFEST: UNKNOWN}
        write_json(temporary / MANIFEST, content)
        hashes[MANIFEST] = sha256_of(temporary / MANIFEST)
        write_json(temporary / MANIFEST, content | {"sha256": hashes})


def check_bundle(folder: Path, origin: str | None = None) -> dict[str, Any]:
    """Return the manifest of a bundle whose parts all have the hashes that it records.

    origin: where the bundle is from, for messages; by default the folder. Format 0 may lack SEEN
    and all that was fitted after training. Other files in the folder are ignored. Raises ThawError
    if a part is missing or damaged, or the format is newer than FORMAT: whatever comes later, its
    manifest is JSON with `format` and its own hash.
    """
    origin = origin or str(folder)
    if not (folder / MANIFEST).is_file():
        raise ThawError(f"{origin} has no bundle: make one with `dvc repro export`")
    text = (folder / MANIFEST).read_bytes()
    try:
        manifest = json.loads(text)
        hashes = manifest["sha256"]
        own = hashlib.sha256(text.replace(hashes[MANIFEST].encode(), UNKNOWN.encode())).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        rule = "be the JSON of a bundle, with its own hash"
        raise _unusable(f"{origin}/{MANIFEST}", rule, "is not") from None
    if own != hashes[MANIFEST]:
        rule = f"have SHA-256 {hashes[MANIFEST]}"
        raise _unusable(f"{origin}/{MANIFEST}", rule, f"has {own}")
    _check_content(f"{origin}/{MANIFEST}", manifest)
    parts = [MODEL, LABELS, *([SEEN] if SEEN in hashes or format_of(manifest) else [])]
    for name in parts:
        found = sha256_of(folder / name) if (folder / name).is_file() else "none, it is missing"
        if found != hashes.get(name):
            rule = f"have SHA-256 {hashes.get(name)}"
            raise _unusable(f"{origin}/{name}", rule, f"has {found}")
    return manifest


def format_of(manifest: dict[str, Any]) -> int:
    """The format of a bundle."""
    return manifest.get("format", 0)


def bundle_sha256(manifest: dict[str, Any]) -> str:
    """What a bundle is known by: the hash of its manifest, which holds those of its parts."""
    return manifest["sha256"][MANIFEST]


def _check_content(path: str, manifest: dict[str, Any]) -> None:
    """Raise ThawError unless the manifest is of a format that is read here, and has what it takes.

    Its hashes are right, so what is wrong was written so.
    """
    number = format_of(manifest)
    if type(number) is not int or number < 0:
        raise _unusable(path, "have a format of 0 or more", f"has {number!r}")
    if number > FORMAT:
        raise ThawError(
            f"{path} must be of format {FORMAT} or less, but is of format {number}, which this "
            "Thaw is too old to read: run `pip install --upgrade thaw`"
        )
    for key, kind in NEEDED.items():
        if type(manifest.get(key)) is not kind:
            raise _unusable(path, f"have {key}", f"format {number} of this bundle has none")


def _unusable(path: str, rule: str, received: str) -> ThawError:
    return ThawError(
        f"{path} must {rule}, but {received}: make the bundle again with `dvc repro --force export`"
    )


def check_unseen(folder: Path, images: Iterable[str]) -> None:
    """Raise ThawError if the bundle has seen any of the images, given by their SHA-256.

    Also if it does not say which it has seen, as some of format 0.
    """
    if not (folder / SEEN).is_file():
        raise _unusable(
            f"{folder}/{SEEN}", "list the images that the bundle has seen", "is missing"
        )
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
