"""Where the pictures come from: the sample, an address, an archive or a folder."""

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

log = logging.getLogger("thaw")

DOWNLOADS = Path(".thaw/downloads")


@contextmanager
def open_source(source: str, sha256: str | None) -> Iterator[Members]:
    """Open `data.source` for reading, after its SHA-256 was checked when one is given.

    Raises ThawError when it is missing, has another hash, or is not safe to open.
    """
    with tempfile.TemporaryDirectory() as folder:
        if source == "sample":
            from thaw.sample.generate import write_sample

            path = Path(folder) / "sample.zip"
            write_sample(path)
            _check(source, path, sha256)
        elif "://" in source:
            path = download(source, DOWNLOADS)
            _check_download(source, path, sha256)
        else:
            path = _existing(source)
            _check(source, path, sha256)
        with open_members(path) as members:
            yield members


def source_sha256(source: str) -> str:
    """The SHA-256 of a local archive's bytes, or of a folder's listing.

    The listing has a line `<SHA-256 of the content>  <path inside the folder>` for each file,
    sorted by path, as `sha256sum` writes it. Raises ThawError when there is no such file.
    """
    return _sha256(_existing(source))


def _existing(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.exists():
        raise ThawError(
            f"data.source must be sample, an address, an archive or a folder, but there is no "
            f"{source}: check its path, from {Path.cwd()}"
        )
    return path


def _sha256(path: Path) -> str:
    if not path.is_dir():
        return sha256_of(path)
    lines = [f"{sha256_of(path / name)}  {name}\n" for name in Folder(path).paths()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check(source: str, path: Path, expected: str | None) -> None:
    if expected is not None:
        check_sha256("data.sha256", source, _sha256(path), expected)


def _check_download(source: str, path: Path, expected: str | None) -> None:
    """A wrong download is removed, so that the next run fetches it anew."""
    if expected is None:
        log.info("%s has the SHA-256 %s; put it into data.sha256", source, sha256_of(path))
    try:
        _check(source, path, expected)
    except ThawError:
        path.unlink()
        raise
