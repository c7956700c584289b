"""Which files are images, by their names."""

from collections.abc import Sequence
from pathlib import PurePosixPath

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"),
        *(".tif", ".tiff", ".avif", ".heic", ".heif"),
    }
)


def list_images(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate image files, by suffix, from the rest. Hidden files are never images."""
    images: list[str] = []
    others: list[str] = []
    for path in paths:
        is_image = PurePosixPath(path).suffix.lower() in SUFFIXES and not is_hidden(path)
        (images if is_image else others).append(path)
    return images, others


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder that holds it, is hidden, or added to a zip by macOS."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)
