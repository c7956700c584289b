"""Publish a bundle: a new folder, named by its hash, and then a pointer of one line.

Whoever is killed, at any moment, leaves a pointer to a whole bundle: the folder is complete and on
the disk before the pointer names it, and the pointer is replaced, never written to.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

import numpy as np

from thaw.bundle import MANIFEST, bundle_sha256, check_bundle
from thaw.bundle_source import open_bundle
from thaw.bundle_zip import MOST_BYTES
from thaw.errors import ThawError
from thaw.files import atomic_write, read_json
from thaw.serving.predictor import Predictor

POINTER = "current"  # a line: the hash of the bundle that is served, and of the one before
LOCK = "lock"
HASHES = re.compile(r"([0-9a-f]{64})(?: ([0-9a-f]{64}))?\n")


def publish(bundle: str | PathLike[str], folder: Path) -> str:
    """Publish a bundle, given as `open_bundle` takes it, in a folder; its SHA-256.

    The one before is kept; older ones are deleted. Raises ThawError, and changes nothing, unless
    every part has its hash and the bundle answers an image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open_bundle(bundle) as source:
        warm_up(Predictor(source))
        sha256 = bundle_sha256(read_json(source / MANIFEST))
        with _only_publisher(folder):
            _add(source, folder / sha256)
            before = published(folder)
            if sha256 not in before[:1]:
                _point(folder, [sha256, *before[:1]])
            _delete_others(folder)
    return sha256


def go_back(folder: Path) -> str:
    """Publish the bundle before the present one again, which can be gone back to; its SHA-256."""
    if len(published(folder)) < 2:
        raise ThawError(
            f"going back needs two bundles that were published, but {folder} has "
            f"{len(published(folder))}: run `thaw publish BUNDLE`"
        )
    with _only_publisher(folder):
        present, before = published(folder)
        check_bundle(folder / before)
        _point(folder, [before, present])
    return before


def published(folder: Path) -> list[str]:
    """SHA-256 of the bundle that is published and of the one before; fewer if there are none."""
    try:
        line = HASHES.fullmatch((folder / POINTER).read_text(encoding="ascii"))
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    return [sha256 for sha256 in line.groups() if sha256] if line else []


def warm_up(predictor: Predictor) -> None:
    """Let a bundle answer a black image, alone and among several, which compiles it for both.

    Raises ThawError if it cannot.
    """
    black = np.zeros((predictor.image_size, predictor.image_size, 3), np.uint8)
    try:
        predictor(black)
        predictor([black])
    except ThawError:
        raise
    except Exception as error:  # OpenVINO raises many types
        raise ThawError(
            f"a bundle must answer an image, but this one raises {type(error).__name__}: make it "
            "again with `dvc repro --force export`"
        ) from error


@contextmanager
def _only_publisher(folder: Path) -> Iterator[None]:
    """Wait until no other publishes in this folder."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add(source: Path, target: Path) -> None:
    """Copy a bundle to `target`, onto the disk, unless it is there undamaged."""
    with suppress(ThawError):
        check_bundle(target)
        return
    with atomic_write(target) as temporary:
        temporary.mkdir()
        for name in MOST_BYTES:
            if (source / name).is_file():
                shutil.copyfile(source / name, temporary / name)
                _to_disk(temporary / name)
        check_bundle(temporary)
        _to_disk(temporary)
    _to_disk(target.parent)


def _point(folder: Path, hashes: list[str]) -> None:
    with atomic_write(folder / POINTER) as temporary:
        temporary.write_text(" ".join(hashes) + "\n", encoding="ascii")
        _to_disk(temporary)
    _to_disk(folder)


def _delete_others(folder: Path) -> None:
    """Delete older bundles, and what killed runs left."""
    kept = {POINTER, LOCK, *published(folder)}
    for path in folder.iterdir():
        if path.name not in kept and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Let a file, or the names in a folder, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
