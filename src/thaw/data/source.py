"""Where the images come from: the sample, a URL, an archive or a folder."""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaw.data.archive import Folder, Members, open_members
from thaw.data.download import download
from thaw.errors import ThawError
from thaw.files import check_sha256, sha256_of
from thaw.params import Data
from thaw.paths import DOWNLOADS
from thaw.sample.generate import write_sample

log = logging.getLogger("thaw")


@contextmanager
def open_source(data: Data) -> Iterator[Members]:
    """Open `data.source` for reading, after its SHA-256 was checked when `data` states one.

    Raises ThawError when it is missing, has another hash, or is not safe to open.
    """
    with tempfile.TemporaryDirectory() as folder:
        if (path := data.local_source()) is not None:
            _check(data, path)
        elif data.source == "sample":
            path = Path(folder) / "sample.zip"
            write_sample(path)
            _check(data, path)
        else:
            path = download(data.source, DOWNLOADS)
            _check_download(data, path)
        with open_members(path) as members:
            yield members


def source_sha256(path: Path) -> str:
    """The SHA-256 of an archive's bytes, or of a folder's listing.

    The listing has a line `<SHA-256 of the content>  <path inside the folder>` for each file,
    sorted by path, as `sha256sum` writes it.
    """
    if not path.is_dir():
        return sha256_of(path)
    lines = [f"{sha256_of(path / name)}  {name}\n" for name in Folder(path).paths()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check(data: Data, path: Path) -> None:
    if data.sha256 is not None:
        check_sha256("data.sha256", data.source, source_sha256(path), data.sha256)


def _check_download(data: Data, path: Path) -> None:
    """A wrong download is removed, so that the next run fetches it anew."""
    if data.sha256 is None:
        log.info("%s has SHA-256 %s: set data.sha256 to it", data.source, sha256_of(path))
    try:
        _check(data, path)
    except ThawError:
        path.unlink()
        raise
