"""Damage a file in several ways, and see that what reads it says so in one line."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from thaw.errors import ThawError

DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: b"",
    lambda content: content[: len(content) // 2],
    lambda content: bytes(len(content)),
    lambda content: random.Random(0).randbytes(len(content)),
)


def assert_noticed(path: Path, read: Callable[[], object]) -> None:
    """Each damage of `path` is a line that names it and says what to do, and so is its absence."""
    whole = path.read_bytes()
    read()
    for damage in (*DAMAGES, None):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage(whole))
        with pytest.raises(ThawError) as error:
            read()
        [line] = str(error.value).splitlines()
        assert path.name in line and "dvc repro" in line
        path.write_bytes(whole)
