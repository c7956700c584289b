"""Open a bundle wherever it is: a folder, a zip, or an address that fsspec can read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from thaw.bundle import METRICS, check_bundle
from thaw.bundle_zip import MOST_BYTES, copy, unpack
from thaw.files import address_explained, storage_errors_explained

MOST_ZIP_BYTES = sum(MOST_BYTES.values()) + 2**24  # and what else the zip holds


@contextmanager
def open_bundle(address: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the folder of a bundle whose every part has its hash, as `check_bundle` says.

    address: a folder, a zip of a bundle, or an fsspec address, such as s3://bucket/bundle or
    https://host/bundle.zip, of either. What is not a folder here is copied to a temporary one,
    which is deleted at the end; OpenVINO needs no file once it has compiled the model. Raises
    ThawError if there is no bundle, or an unusable one, or a package is missing that reads it.
    """
    name = os.fspath(address)
    if "://" not in name and not Path(name).is_file():
        with storage_errors_explained():
            check_bundle(Path(name))
        yield Path(name)
        return
    with TemporaryDirectory(prefix="thaw-") as temporary:
        folder = Path(temporary)
        with storage_errors_explained():
            if "://" in name:
                _fetch(name, folder)
            else:
                unpack(Path(name), folder, name)
            check_bundle(folder, name)
        yield folder


def _fetch(address: str, folder: Path) -> None:
    """Copy what a bundle has from an fsspec address into `folder`; `check_bundle` is to follow."""
    with address_explained(address):
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(address)
        if address.partition("?")[0].lower().endswith(".zip"):  # a query may sign a URL
            archive = folder / "bundle.zip"
            _copy(filesystem, root, archive, MOST_ZIP_BYTES, address)
            unpack(archive, folder, address)
            archive.unlink()
            return
        for name, most in MOST_BYTES.items():
            # Who may not list a bucket of S3 is told that a missing file is a forbidden one.
            with suppress(FileNotFoundError, *((PermissionError,) if name == METRICS else ())):
                part = f"{root.rstrip('/')}/{name}"
                _copy(filesystem, part, folder / name, most, f"{address.rstrip('/')}/{name}")


def _copy(filesystem: Any, source: str, path: Path, most: int, origin: str) -> None:
    with filesystem.open(source, "rb") as content:
        copy(content, path, most, origin)
