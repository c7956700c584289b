"""Read the images that a user names: files, folders, archives and globs."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from thaw.data.archive import open_members
from thaw.data.layout import list_images
from thaw.data.member_checks import check_printable, unreadable_refused
from thaw.data.tar_archive import BLOCK, is_tar
from thaw.data.zip_archive import is_zip
from thaw.errors import ThawError


def expand(path: str) -> list[Path]:
    """The path if it exists, else what it matches as a glob, sorted; `**` matches any folders."""
    if os.path.exists(path):
        return [Path(path)]
    return sorted(map(Path, glob.glob(path, recursive=True)))


def read_images(paths: Iterable[Path]) -> Iterator[tuple[str, bytes | ThawError]]:
    """Yield name and encoded bytes of each image, or why it cannot be read; each name once.

    A folder or an archive gives the images in it, by suffix and without hidden files, sorted and
    named `path/path in it`; what is wrong with the entire archive comes under its own name. Any
    other file is taken for an image. One image is in memory at a time.
    """
    seen: set[str] = set()
    for path in paths:
        try:
            for name, content in _images_of(path):
                if name not in seen:
                    seen.add(name)
                    yield name, content
        except ThawError as error:
            yield str(path), error


def _images_of(path: Path) -> Iterator[tuple[str, bytes | ThawError]]:
    name = check_printable(str(path), path.parent)
    if path.is_file() and not _is_archive(path):
        with unreadable_refused(path):
            content = path.read_bytes()
        yield name, content
        return
    with open_members(path) as members:
        for member in list_images(members.paths())[0]:
            try:
                yield f"{name}/{member}", members.read(member)
            except ThawError as error:
                yield f"{name}/{member}", error


def _is_archive(path: Path) -> bool:
    with unreadable_refused(path), path.open("rb") as stream:
        start = stream.read(BLOCK)
    return is_zip(start) or is_tar(start)
