"""Fill a .npy file shard by shard, so that a killed run resumes inside it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from thaw.features.rows import Shard
from thaw.files import atomic_write


class ArrayFile:
    """A .npy file in a checkpoint folder, and beside it a line for each finished shard.

    The line holds the shard's digest and the hash of its values, so that neither other rows nor
    values that did not reach the disk count as finished. A file of another shape or dtype is begun
    again.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any) -> None:
        self.path, self._journal = path, path.with_suffix(".shards")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._is_begun(shape, np.dtype(dtype)):
            self._journal.unlink(missing_ok=True)
            np.lib.format.open_memmap(path, "w+", dtype, shape)
        self._values = np.load(path, mmap_mode="r")
        self._lines = self._journal.read_text().splitlines() if self._journal.exists() else []

    def _is_begun(self, shape: tuple[int, ...], dtype: np.dtype) -> bool:
        try:
            values = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError, EOFError):  # missing, or not whole
            return False
        return values.shape == shape and values.dtype == dtype

    def has(self, shard: Shard) -> bool:
        """Whether the values of this shard are in the file."""
        if shard.number >= len(self._lines):
            return False
        values = self._values[shard.start : shard.start + len(shard.rows)]
        return self._lines[shard.number] == _line(shard, values)

    def write(self, shard: Shard, values: np.ndarray) -> None:
        """Write the values of the first shard that is not finished. `values`: (rows, …)."""
        row_bytes = self._values.itemsize * int(np.prod(self._values.shape[1:]))
        with self.path.open("r+b") as stream:  # not the map, whose pages would count as memory
            stream.seek(self._values.offset + shard.start * row_bytes)
            stream.write(np.ascontiguousarray(values, self._values.dtype).data)
        self._lines = [*self._lines[: shard.number], _line(shard, values)]
        with atomic_write(self._journal) as temporary:
            temporary.write_text("\n".join(self._lines))


def _line(shard: Shard, values: np.ndarray) -> str:
    return f"{shard.digest} {hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()}"
