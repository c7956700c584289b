"""Read the images that a user names: files, folders, archives and globs."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

from thaw.data.archive import open_members
from thaw.data.image_files import list_images
from thaw.data.member_checks import check_printable, unreadable_refused
from thaw.data.tar_archive import BLOCK, is_tar
from thaw.data.zip_archive import is_zip
from thaw.errors import ThawError

# Encoded bytes of an image, once; raises ThawError if it cannot be read.
Read = Callable[[], bytes]


def expand(path: str) -> list[Path]:
    """The path if it exists, else what it matches as a glob, sorted; `**` matches any folders."""
    if os.path.exists(path):
        return [Path(path)]
    return sorted(map(Path, glob.glob(path, recursive=True)))


class NamedImages:
    """The images in paths that a user names, each name once.

    A folder or an archive gives the images in it, by suffix and without hidden files, sorted and
    named `path/path in it`; what is wrong with the entire archive comes under its own name. Any
    other file is taken for an image. An image is read when its `Read` is called, before the next
    one is asked for. total: how many there are as far as is known: of a folder or an archive from
    when its first image is given, until then it counts as one.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self.total = len(self._paths)

    def __iter__(self) -> Iterator[tuple[str, Read]]:
        """Yield the name of each image, and what reads it."""
        self.total, seen = len(self._paths), set[str]()
        for path in self._paths:
            try:
                for name, read in self._images_of(path):
                    if name in seen:
                        self.total -= 1
                    else:
                        seen.add(name)
                        yield name, read
            except ThawError as error:
                yield str(path), partial(_raise, error)

    def _images_of(self, path: Path) -> Iterator[tuple[str, Read]]:
        name = check_printable(str(path), path.parent)
        if path.is_file() and not _is_archive(path):
            yield name, partial(_read_file, path)
            return
        with open_members(path) as members:
            images = list_images(members.paths())[0]
            self.total += len(images) - 1
            for member in images:
                yield f"{name}/{member}", partial(members.read, member)


def read_images(paths: Iterable[Path]) -> Iterator[tuple[str, bytes | ThawError]]:
    """Yield name and encoded bytes of each of the NamedImages, or why it cannot be read.

    One image is in memory at a time.
    """
    for name, read in NamedImages(paths):
        yield name, attempt(read)


def attempt(read: Read) -> bytes | ThawError:
    """What `read` gives, or the error that it raises."""
    try:
        return read()
    except ThawError as error:
        return error


def _read_file(path: Path) -> bytes:
    with unreadable_refused(path):
        return path.read_bytes()


def _raise(error: ThawError) -> NoReturn:
    raise error


def _is_archive(path: Path) -> bool:
    with unreadable_refused(path), path.open("rb") as stream:
        start = stream.read(BLOCK)
    return is_zip(start) or is_tar(start)
