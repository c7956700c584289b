"""Run the base over every image and view, and store its embeddings or its activations."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from thaw.parallel import batched, cores
from thaw.runtime import compile_model

BATCH = 32  # fixed, so that the values of a row do not depend on the number of rows
REQUESTS = 4  # batches that run at once; each takes memory


class Engine:
    """A network on this processor, which runs several batches at once.

    model: images, uint8 (N, S, S, 3) → one output (N, …), stored as `dtype`.
    """

    def __init__(self, model: ov.Model, precision: str, dtype: str) -> None:
        compiled = compile_model(model, precision, REQUESTS)
        self.shape = tuple(side.get_length() for side in list(model.output().partial_shape)[1:])
        self.dtype = dtype
        self._blocks: dict[int, np.ndarray] = {}
        self._queue = ov.AsyncInferQueue(compiled)
        self._queue.set_callback(self._keep)

    def _keep(self, request: ov.InferRequest, number: int) -> None:
        with np.errstate(over="ignore"):  # an overflow becomes infinite, which is checked later
            self._blocks[number] = request.get_output_tensor().data.astype(self.dtype)

    def run(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Run one image or more, each (S, S, 3). Raises ThawError for a value not in `dtype`."""
        count = 0
        for number, batch in enumerate(batched(images, BATCH)):
            padding = [np.zeros_like(batch[0])] * (BATCH - len(batch))
            self._queue.start_async(np.stack(batch + padding), number)
            count += len(batch)
        self._queue.wait_all()
        values = np.concatenate([self._blocks[number] for number in sorted(self._blocks)])[:count]
        self._blocks.clear()
        if not np.isfinite(values).all():
            raise ThawError(
                f"activations of the frozen layers must be finite in {self.dtype}, but some are "
                "not: set compute.cache_dtype to float32"
            )
        return values


def write_array(
    path: Path,
    rows: Rows | Sequence[Row],
    engine: Engine,
    fingerprint: dict[str, Any],
    checkpoint: Path,
) -> None:
    """Write a folder with an array, as `path`, rows.csv and fingerprint.json.

    The array holds the output of `engine` for each row. The fingerprint gets the digest of the
    rows. checkpoint: a directory from which an interrupted run resumes; removed at the end. The
    next shard is read and decoded while the engine runs. Raises ThawError if a value does not fit
    the stored dtype.
    """
    array = ArrayFile(checkpoint / path.name, (len(rows), *engine.shape), engine.dtype)
    listings, digest = [], ""
    with tqdm(total=len(rows), desc=path.parent.name, unit="row") as progress:
        for shard, images in _decoded(rows, array, fingerprint):
            if images is not None:
                array.write(shard, engine.run(images))
            listings.append(shard.listing())
            digest = shard.digest
            progress.update(len(shard.rows))
    with atomic_write(path.parent) as temporary:
        temporary.mkdir()
        pd.concat(listings).to_csv(temporary / "rows.csv", index=False)
        write_json(temporary / "fingerprint.json", fingerprint | {"rows": digest})
        shutil.move(array.path, temporary / path.name)
    shutil.rmtree(checkpoint)


def _decoded(
    rows: Iterable[Row], array: ArrayFile, fingerprint: dict[str, Any]
) -> Iterator[tuple[Shard, Iterator[np.ndarray] | None]]:
    """Yield each shard and, unless `array` has its values, its images; one shard ahead."""
    size, resize = fingerprint["image_size"], fingerprint["resize"]

    def start(shard: Shard) -> tuple[Shard, Iterator[np.ndarray] | None]:
        if array.has(shard):
            return shard, None
        return shard, pool.map(lambda row: decode(row.data, size, resize), shard.rows)

    with ThreadPoolExecutor(cores()) as pool:
        started = map(start, shards(rows))
        for current, _ in pairwise(chain(started, [None])):
            assert current
            yield current


def write_nothing(folder: Path, fingerprint: dict[str, Any]) -> None:
    """Write a folder of activations for a base that is frozen entirely: a file that says so."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        why = {"activations": "none: the entire base is frozen, so training needs embeddings only"}
        write_json(temporary / "fingerprint.json", fingerprint | why)
