"""The frozen front of the network, run once over every picture and view, and kept on disk."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import openvino as ov
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from thaw.data.images import batched, decode
from thaw.errors import ThawError
from thaw.files import whole, write_json
from thaw.model.network import Parts
from thaw.runtime import compile_model

SHARD = 256  # rows that are computed, and kept when a run is killed, together
BATCH = 32  # always the same, so that a row's activations do not depend on its neighbours


@dataclass(frozen=True)
class Row:
    """A picture (view 0) or one of its augmented views, with its encoded bytes."""

    name: str
    view: int
    label: str
    split: str
    data: bytes


def fingerprint(parts: Parts, precision: str, cache: str) -> dict[str, Any]:
    """What the activations depend on, but for the pictures; compared by `check_fingerprint`."""
    digest = hashlib.sha256()
    for weight in parts.base.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    shape = parts.front.output_shape[1:] if parts.front else parts.base.input_shape[1:]
    return {
        "base": parts.base.name,
        "weights": digest.hexdigest(),
        "image_size": parts.base.input_shape[1],
        "cut": parts.cut,
        "shape": list(shape),
        "precision": precision,
        "cache": cache if parts.front else "uint8",
    }


def check_fingerprint(expected: dict[str, Any], found: dict[str, Any], where: str) -> None:
    """Refuse activations, or a model, made with other settings; raises ThawError naming them."""
    different = [key for key in expected if expected[key] != found.get(key)]
    if different:
        detail = ", ".join(f"{key} {found.get(key)!r}, not {expected[key]!r}" for key in different)
        raise ThawError(
            f"{where} must be made with the network that uses it, but has {detail}: "
            "run `dvc repro` so that every stage runs with the same params"
        )


def write_features(
    folder: Path,
    rows: Callable[[], Iterator[Row]],
    parts: Parts,
    made_with: dict[str, Any],
    workers: int,
) -> None:
    """Run `parts.front` over all rows; write activations.npy, rows.csv and fingerprint.json.

    activations.npy has one row each, float16 or float32, or the uint8 pictures when nothing is
    frozen. `rows` starts a new pass over the rows at each call. Finished shards are kept until
    the whole is written, so that a killed run continues. Raises ThawError when an activation
    does not fit the stored type.
    """
    listing, digest = _list(rows())
    made_with = made_with | {"rows": digest}
    key = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:16]
    shards = Path(".thaw/features") / key
    front = _compile(parts.front, made_with["precision"]) if parts.front else None
    shape = (len(listing), *made_with["shape"])
    with (
        whole(folder) as temporary,
        tqdm(total=len(listing), desc="features", unit="row") as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        temporary.mkdir()
        activations = np.lib.format.open_memmap(
            temporary / "activations.npy", "w+", dtype=made_with["cache"], shape=shape
        )
        start = 0
        for shard in batched(rows(), SHARD):
            block = _shard(shards / f"{start:07d}.npy", shard, front, made_with, pool)
            activations[start : start + len(block)] = block
            start += len(block)
            progress.update(len(block))
        activations.flush()
        pd.DataFrame(listing).to_csv(temporary / "rows.csv", index=False)
        write_json(temporary / "fingerprint.json", made_with)
    shutil.rmtree(shards)


def _list(rows: Iterator[Row]) -> tuple[list[dict[str, Any]], str]:
    """The rows without their bytes, and one hash over all of it."""
    listing, digest = [], hashlib.sha256()
    for row in rows:
        entry = {"name": row.name, "view": row.view, "label": row.label, "split": row.split}
        listing.append(entry)
        digest.update(json.dumps(entry).encode() + hashlib.sha256(row.data).digest())
    return listing, digest.hexdigest()


def _compile(front: keras.Model, precision: str) -> ov.CompiledModel:
    pictures = tf.TensorSpec((BATCH, *front.input_shape[1:]), tf.uint8)
    graph = tf.function(partial(front, training=False), [pictures], autograph=False)
    return compile_model(ov.convert_model(graph), precision)


def _shard(
    path: Path,
    rows: Sequence[Row],
    front: ov.CompiledModel | None,
    made_with: dict[str, Any],
    pool: ThreadPoolExecutor,
) -> np.ndarray:
    """The activations of a fixed run of rows, computed unless `path` has them already."""
    if path.exists():
        return np.load(path)
    size = made_with["image_size"]
    pictures = np.stack(list(pool.map(lambda row: decode(row.data, size), rows)))
    block = pictures if front is None else _run(front, pictures, made_with["cache"])
    with whole(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, block)
    return block


def _run(front: ov.CompiledModel, pictures: np.ndarray, dtype: str) -> np.ndarray:
    parts = []
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        padded = np.pad(batch, [(0, BATCH - len(batch)), (0, 0), (0, 0), (0, 0)])
        with np.errstate(over="ignore"):  # an overflow is infinite, and refused below
            parts.append(front(padded)[0][: len(batch)].astype(dtype))
    block = np.concatenate(parts)
    if not np.isfinite(block).all():
        raise ThawError(
            f"every activation of the frozen layers must fit into {dtype}, but some do not: "
            "set compute.cache to float32"
        )
    return block


@dataclass(frozen=True)
class Features:
    """A written folder of activations, opened without reading them into memory."""

    activations: np.ndarray  # (rows, …), memory-mapped
    rows: pd.DataFrame  # name, view, label, split
    fingerprint: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Features":
        """Open what `write_features` wrote."""
        return cls(
            np.load(folder / "activations.npy", mmap_mode="r"),
            pd.read_csv(folder / "rows.csv", dtype={"name": str, "label": str}),
            json.loads((folder / "fingerprint.json").read_text(encoding="utf-8")),
        )
