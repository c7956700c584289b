"""Open a source of images: the sample, a URL, an archive or a folder."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaw.data.archive import Folder, Members, open_members
from thaw.data.download import download
from thaw.data.image_files import list_images
from thaw.data.member_checks import unreadable_refused
from thaw.errors import ThawError
from thaw.files import check_sha256, remove_temporaries, sha256_of
from thaw.params import Data, local_unknown
from thaw.paths import DOWNLOADS
from thaw.sample.generate import write_sample

log = logging.getLogger("thaw")


@contextmanager
def open_source(data: Data) -> Iterator[Members]:
    """Open `data.source` for reading; if `data.sha256` is set, check it first.

    Raises ThawError if the source is missing, unsafe, or has another SHA-256.
    """
    if (path := data.local_source()) is not None:
        _check(data, path)
    elif data.source == "sample":
        # In the system's temporary folder, a kill would leave it behind.
        path = DOWNLOADS / "sample.zip"
        remove_temporaries(path)
        write_sample(path)
        _check(data, path)
    else:
        path = download(data.source, DOWNLOADS)
        _check_download(data, path)
    with open_members(path) as members:
        yield members


def read_unknown(source: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and encoded bytes of each image in a `data.unknown`, sorted by path.

    Its folders mean nothing. Hidden files and files that are no images, by suffix, are left out.
    Raises ThawError if the source is missing or unsafe, or has no image.
    """
    with open_members(local_unknown(source) or download(source, DOWNLOADS)) as members:
        images, _ = list_images(members.paths())
        if not images:
            raise ThawError(
                f"data.unknown must have images, but {source} has none: put some in, or set "
                "data.unknown to null"
            )
        for path in images:
            yield path, members.read(path)


def source_sha256(path: Path) -> str:
    """SHA-256 of an archive's bytes, or of a folder's listing.

    The listing has one line `<SHA-256>  <path in the folder>` per file, sorted by path, in the
    format of `sha256sum`.
    """
    with unreadable_refused(path):
        if not path.is_dir():
            return sha256_of(path)
        lines = [f"{sha256_of(path / name)}  {name}\n" for name in Folder(path).paths()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check(data: Data, path: Path) -> None:
    if data.sha256 is not None:
        check_sha256("data.sha256", data.source, source_sha256(path), data.sha256)


def _check_download(data: Data, path: Path) -> None:
    """Check a download, and delete it on a mismatch so that the next run downloads again."""
    if data.sha256 is None:
        log.info("%s has SHA-256 %s: set data.sha256 to it", data.source, sha256_of(path))
    try:
        _check(data, path)
    except ThawError:
        path.unlink()
        raise
