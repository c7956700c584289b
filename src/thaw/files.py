"""Atomic writes, and the hashes of files."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thaw.errors import ThawError

TEMPORARY = ".tmp"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename what was written there to `path`.

    Works for a file and for a folder. When the block raises, the temporary is removed and
    whatever stood at `path` stays. A killed process leaves the temporary behind: see
    `remove_temporaries`.
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
    """Remove what killed processes left of an `atomic_write` to `path`.

    Only for the one writer of `path`: it would remove the temporary of another that still runs.
    """
    path = Path(path)
    random = 8 * "?"  # the characters that mkdtemp adds
    for folder in path.parent.glob(f".{glob.escape(path.name)}.{random}{TEMPORARY}"):
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON; a NaN or infinity raises ValueError."""
    with atomic_write(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_sha256(key: str, name: str | Path, found: str, expected: str) -> None:
    """Raise ThawError unless `found`, the hash of `name`, is what the param `key` states."""
    if found != expected.lower():
        raise ThawError(
            f"{key} is {expected}, but {name} has {found}: it is another file, or it changed; "
            f"get the right one, or correct {key}"
        )
