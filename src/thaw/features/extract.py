"""Run the base over every image and view, and store its embeddings or its activations."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pandas as pd
from tqdm import tqdm

from thaw.errors import ThawError
from thaw.features.array_file import ArrayFile
from thaw.features.rows import Row, Rows, Shard, shards
from thaw.files import atomic_write, write_json
from thaw.images import decode
from thaw.parallel import cores
from thaw.runtime import Network


class Engine(Network):
    """A network on this processor, which runs several images at once.

    model: images, uint8 (N, S, S, 3) → one output (N, …), stored as `dtype`.
    """

    def __init__(self, model: ov.Model, precision: str, dtype: str) -> None:
        super().__init__(model, precision, cores())
        self.shape = tuple(side.get_length() for side in list(model.output().partial_shape)[1:])
        self.dtype = dtype

    def run(
        self, items: Iterable[Any], to_image: Callable[[Any], np.ndarray] = np.asarray
    ) -> Iterator[np.ndarray]:
        """Start all items and return their outputs (…), in order. to_image: item → (S, S, 3).

        `to_image` runs in parallel. Raises ThawError for a value that does not fit `dtype`.
        """
        return self.start(lambda item: self._value(to_image(item)), items)

    def _value(self, image: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # an overflow becomes infinite
            value = self.infer(image)[0][0].astype(self.dtype)
        if not np.isfinite(value).all():
            raise ThawError(
                f"activations of the frozen layers must be finite in {self.dtype}, but some are "
                "not: set compute.cache_dtype to float32"
            )
        return value


def write_array(
    path: Path,
    rows: Rows | Sequence[Row],
    engine: Engine,
    fingerprint: dict[str, Any],
    checkpoint: Path,
) -> None:
    """Write a folder with an array, as `path`, rows.csv and fingerprint.json.

    The array holds the output of `engine` for each row; the next shard is read and run while one
    is written. The fingerprint gets the digest of the rows. checkpoint: a directory from which an
    interrupted run resumes; removed at the end. Raises ThawError if a value does not fit the
    stored dtype.
    """
    array = ArrayFile(checkpoint / path.name, (len(rows), *engine.shape), engine.dtype)
    listings, digest = [], ""
    with tqdm(total=len(rows), desc=path.parent.name, unit="row") as progress:
        for shard, values in _started(rows, array, engine, fingerprint):
            if values is not None:
                array.write(shard, np.stack(list(values)))
            listings.append(shard.listing())
            digest = shard.digest
            progress.update(len(shard.rows))
    with atomic_write(path.parent) as temporary:
        temporary.mkdir()
        pd.concat(listings).to_csv(temporary / "rows.csv", index=False)
        write_json(temporary / "fingerprint.json", fingerprint | {"rows": digest})
        shutil.move(array.path, temporary / path.name)
    shutil.rmtree(checkpoint)


def _started(
    rows: Iterable[Row], array: ArrayFile, engine: Engine, fingerprint: dict[str, Any]
) -> Iterator[tuple[Shard, Iterator[np.ndarray] | None]]:
    """Yield each shard and, unless `array` has them, its values; the next shard has started."""
    size, resize = fingerprint["image_size"], fingerprint["resize"]

    def start(shard: Shard) -> tuple[Shard, Iterator[np.ndarray] | None]:
        if array.has(shard):
            return shard, None
        return shard, engine.run(shard.rows, lambda row: decode(row.data, size, resize))

    for current, _ in pairwise(chain(map(start, shards(rows)), [None])):
        assert current
        yield current
