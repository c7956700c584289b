"""Write files atomically, hash them, and say what is wrong with damaged ones."""

import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thaw.errors import ThawError

TEMPORARY = ".tmp"
STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success, rename it to `path`.

    Works for files and folders. If the block raises, the temporary is deleted and `path` is
    unchanged. A killed process leaves the temporary behind; see `remove_temporaries`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        if temporary.is_dir() and path.is_dir():
            os.rename(path, folder / "replaced")
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_temporaries(path: str | Path) -> None:
    """Delete the temporaries of killed `atomic_write`s to `path`.

    Call it only in the one writer of `path`: it would delete those of another running writer too.
    """
    path = Path(path)
    random = 8 * "?"  # mkdtemp adds eight characters
    for folder in path.parent.glob(f".{glob.escape(path.name)}.{random}{TEMPORARY}"):
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON. Raises ValueError for a NaN or an infinity."""
    with atomic_write(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path, keys: Iterable[str] = ()) -> dict[str, Any]:
    """Read the JSON object in a file of the pipeline. ThawError if it is damaged or lacks a key."""
    with damage_explained(path):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if missing := set(keys) - set(content.keys()):
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
    return content


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def damage_explained(
    path: str | Path, advice: str = "delete it and run `dvc repro`"
) -> Iterator[None]:
    """Turn whatever reading a missing or damaged file of the pipeline raises into a ThawError."""
    try:
        yield
    except ThawError:
        raise
    except Exception as error:  # each library raises other types on damaged files
        if _is_of_storage(error):
            raise
        found = "is missing" if isinstance(error, FileNotFoundError) else "is damaged"
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
        raise ThawError(
            f"{path} must be as the pipeline wrote it, but {found} ({reason}): {advice}"
        ) from None


@contextmanager
def storage_errors_explained() -> Iterator[None]:
    """Turn a full disk, or missing permissions, into a ThawError."""
    try:
        yield
    except OSError as error:
        if not _is_of_storage(error):
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise ThawError(
            f"the disk must have space and the folders must be writable, but {where}"
            f"{error.strerror or error}: free space or correct the permissions, and run this "
            "again; earlier results are unchanged"
        ) from None


@contextmanager
def address_explained(address: str) -> Iterator[None]:
    """Turn whatever reading an fsspec address raises into a ThawError; a full disk here passes."""
    try:
        yield
    except ThawError:
        raise
    except FileNotFoundError:
        raise ThawError(f"{address} does not exist: check the address") from None
    except ImportError as error:
        reason = textwrap.shorten(str(error), 300)
        raise ThawError(
            f"{address} needs a package that is not installed ({reason}): run `pip install "
            "'thaw[s3]'`, or for another protocol than S3 and HTTP install that package"
        ) from None
    except Exception as error:  # each protocol has its own
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
        raise ThawError(
            f"{address} cannot be read ({reason}): check address, network and credentials"
        ) from None


def _is_of_storage(error: Exception) -> bool:
    """Whether it is a full disk, or missing permissions. pyarrow gives no errno."""
    full = "No space left on device" in str(error)
    return isinstance(error, OSError) and (error.errno in STORAGE_ERRORS or full)


def check_sha256(key: str, name: str | Path, found: str, expected: str) -> None:
    """Raise ThawError unless `found`, the hash of `name`, equals the param `key`."""
    if found != expected.lower():
        raise ThawError(
            f"{key} is {expected}, but {name} has {found}: it is another file or it changed; get "
            f"the right file, or correct {key}"
        )
