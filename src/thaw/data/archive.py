"""Read the files of a folder, a zip or a tar into memory, one by one, without extracting them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from thaw.data.member_checks import check_printable, unreadable_refused
from thaw.data.tar_archive import BLOCK, Tar, is_tar
from thaw.data.zip_archive import Zip, is_zip
from thaw.errors import ThawError


class Members(Protocol):
    """The files of a source, addressed by their path inside it, with forward slashes."""

    def paths(self) -> list[str]:
        """Paths of all files, sorted."""
        ...

    def read(self, path: str) -> bytes:
        """Content of one file."""
        ...


class Folder:
    """The files below a folder. Links to files are followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def paths(self) -> list[str]:
        """Paths of all files, sorted.

        Raises ThawError if a name is not printable, if a folder cannot be read, or for anything
        but files and folders, such as a link to a folder.
        """
        return sorted(self._walk())

    def read(self, path: str) -> bytes:
        """Content of one file. Raises ThawError if it cannot be read."""
        with unreadable_refused(self._root / path):
            return (self._root / path).read_bytes()

    def _walk(self) -> Iterator[str]:
        folders = [""]
        while folders:
            folder = folders.pop()
            place = self._root / folder
            with unreadable_refused(place), os.scandir(place) as entries:
                for entry in entries:
                    path = check_printable(folder + entry.name, self._root)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{path}/")
                    elif entry.is_file():
                        yield path
                    else:
                        raise _no_file(entry)


@contextmanager
def open_members(path: Path) -> Iterator[Members]:
    """Open a folder, zip or tar for reading.

    Raises ThawError if `path` is none of these, is damaged, or has an unsafe member: an absolute
    path, a path with `..`, a link, a device, an encrypted file, or one over the size limits.
    Damage inside a member of a zip is found when it is read.
    """
    with unreadable_refused(path):
        if not path.is_dir() and not path.is_file():
            raise ThawError(
                f"images must be in a folder, a zip or a tar, but {path} is neither a file nor a "
                "folder: correct the path"
            )
        stream = None if path.is_dir() else path.open("rb")
    if stream is None:
        yield Folder(path)
        return
    with stream:
        start = stream.read(BLOCK)
        stream.seek(0)
        if is_zip(start):
            yield Zip(path, stream)
        elif is_tar(start):
            with tempfile.TemporaryFile() as store:
                yield Tar(path, stream, store)
        else:
            raise ThawError(
                f"images must be in a folder, a zip or a tar, but {path} is none of these or is "
                f"damaged (starts with {start[:12]!r}): get it again, or pack the class folders "
                "as a zip"
            )


def _no_file(entry: os.DirEntry[str]) -> ThawError:
    kind = "a pipe, a socket or a device"
    if entry.is_symlink():
        kind = "a link to a folder" if entry.is_dir() else "a link to nothing"
    return ThawError(
        f"a folder of images must hold files, links to files, and folders, but {entry.path} is "
        f"{kind}: put what is meant in its place, or remove it"
    )
