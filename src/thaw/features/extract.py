"""Run the frozen prefix once over every image and view, and store its outputs."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pandas as pd
from tqdm import tqdm

from thaw.data.tables import FOLDED, read_csv
from thaw.errors import ThawError, listing
from thaw.features.graph import BackboneInfo, Graph
from thaw.files import atomic_write, damage_explained, read_json, write_json
from thaw.images import decode
from thaw.parallel import batched, cores
from thaw.runtime import compile_model

BATCH = 32  # fixed, so that the activations of a row do not depend on the number of rows
COLUMNS = {"name": str, "view": int, "label": str, "split": str}  # of rows.csv
SHARD_SIZE = 256  # rows; an interrupted run loses at most one shard


@dataclass(frozen=True)
class Row:
    """An image (view 0) or one of its augmented views, with its encoded bytes."""

    name: str
    view: int
    label: str
    split: str
    data: bytes


def features_fingerprint(
    info: BackboneInfo, cut: int, resize: str, pooling: str, precision: str, cache_dtype: str
) -> dict[str, Any]:
    """What the stored arrays depend on, apart from the rows; see `check_fingerprint`."""
    return {
        "base": info.name,
        "weights": info.weights,
        "image_size": info.image_size,
        "resize": resize,
        "cut": cut,
        "pooling": pooling,
        "precision": precision,
        "cache_dtype": cache_dtype,
    }


def check_fingerprint(expected: dict[str, Any], found: dict[str, Any], source: str) -> None:
    """Raise ThawError unless `found`, read from `source`, has the values of `expected`."""
    different = [key for key in expected if expected[key] != found.get(key)]
    if different:
        detail = ", ".join(f"{key} {found.get(key)!r}, not {expected[key]!r}" for key in different)
        raise ThawError(
            f"{source} must match the network that uses it, but has {detail}: run `dvc repro` so "
            "that every stage runs with the same params"
        )


def list_rows(rows: Iterable[Row]) -> tuple[pd.DataFrame, str]:
    """Return the rows without their bytes, and one SHA-256 over rows and bytes."""
    listing, digest = [], hashlib.sha256()
    for row in rows:
        entry = {"name": row.name, "view": row.view, "label": row.label, "split": row.split}
        listing.append(entry)
        digest.update(json.dumps(entry).encode() + hashlib.sha256(row.data).digest())
    return pd.DataFrame(listing), digest.hexdigest()


def write_features(
    folder: Path,
    rows: Iterable[Row],
    listing: pd.DataFrame,
    graph: Graph,
    fingerprint: dict[str, Any],
    checkpoint: Path,
) -> None:
    """Run the frozen prefix over all rows; write the arrays, rows.csv and fingerprint.json.

    embeddings.npy: pooled output of the entire base (rows, V); the head trains on it.
    activations.npy: output at the cut (rows, …), only if a tail follows it; float16 or float32,
    or the uint8 images themselves if no layer with weights precedes the cut.

    listing: from `list_rows` of the same rows. checkpoint: a directory for finished shards, from
    which an interrupted run resumes; removed at the end. Raises ThawError if a value does not fit
    the stored dtype.
    """
    prefix = compile_model(
        graph.prefix(fingerprint["cut"], fingerprint["pooling"]), fingerprint["precision"]
    )
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        arrays: dict[str, np.memmap] = {}
        start = 0
        for block in _blocks(rows, prefix, fingerprint, checkpoint, len(listing)):
            for name, values in block.items():
                if name not in arrays:
                    shape = (len(listing), *values.shape[1:])
                    arrays[name] = np.lib.format.open_memmap(
                        temporary / f"{name}.npy", "w+", dtype=values.dtype, shape=shape
                    )
                arrays[name][start : start + len(values)] = values
            start += len(block["embeddings"])
        for array in arrays.values():
            array.flush()
        listing.to_csv(temporary / "rows.csv", index=False)
        write_json(temporary / "fingerprint.json", fingerprint)
    shutil.rmtree(checkpoint)


def _blocks(
    rows: Iterable[Row],
    prefix: ov.CompiledModel,
    fingerprint: dict[str, Any],
    checkpoint: Path,
    total: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the arrays of each shard, by name; compute those that `checkpoint` does not have."""
    with (
        tqdm(total=total, desc="features", unit="row") as progress,
        ThreadPoolExecutor(cores()) as pool,
    ):
        for number, shard in enumerate(batched(rows, SHARD_SIZE)):
            path = checkpoint / f"{number:05d}.npz"
            if path.exists():
                with damage_explained(path), np.load(path) as saved:
                    block = dict(saved)
            else:
                block = _compute(shard, prefix, fingerprint, pool)
                with atomic_write(path) as temporary, temporary.open("wb") as stream:
                    np.savez(stream, **block)  # type: ignore[arg-type]
            yield block
            progress.update(len(shard))


def _compute(
    shard: Sequence[Row],
    prefix: ov.CompiledModel,
    fingerprint: dict[str, Any],
    pool: ThreadPoolExecutor,
) -> dict[str, np.ndarray]:
    size, resize = fingerprint["image_size"], fingerprint["resize"]
    images = np.stack(list(pool.map(lambda row: decode(row.data, size, resize), shard)))
    block = run_prefix(prefix, images, fingerprint["cache_dtype"])
    if fingerprint["cut"] <= 1:
        block["activations"] = images
    return block


def run_prefix(
    prefix: ov.CompiledModel, images: np.ndarray, cache_dtype: str
) -> dict[str, np.ndarray]:
    """Run `Graph.prefix` on any number of images; return its outputs by name, as `cache_dtype`."""
    batches = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        padded = np.pad(batch, [(0, BATCH - len(batch)), (0, 0), (0, 0), (0, 0)])
        with np.errstate(over="ignore"):  # an overflow becomes infinite, which is checked below
            batches.append([x[: len(batch)].astype(cache_dtype) for x in prefix(padded).to_tuple()])
    arrays = map(np.concatenate, zip(*batches, strict=True))
    block = dict(zip(("embeddings", "activations"), arrays, strict=False))
    if not all(np.isfinite(values).all() for values in block.values()):
        raise ThawError(
            f"activations of the frozen layers must be finite in {cache_dtype}, but some are not: "
            "set compute.cache_dtype to float32"
        )
    return block


def read_listing(folder: Path) -> pd.DataFrame:
    """Read the rows of a folder of features: name, view, label and split."""
    rows = read_csv(folder / "rows.csv", COLUMNS)
    with damage_explained(folder / "rows.csv"):
        if unknown := set(rows["split"]) - set(FOLDED):
            raise ValueError(f"its splits must be {' and '.join(FOLDED)}, not {listing(unknown)}")
    return rows


def read_fingerprint(folder: Path) -> dict[str, Any]:
    """Read the fingerprint of a folder of features; see `features_fingerprint`."""
    return read_json(folder / "fingerprint.json", ["image_size", "resize"])


@dataclass(frozen=True)
class Features:
    """A folder of features. The arrays are memory-mapped, not read."""

    embeddings: np.ndarray  # (rows, V)
    activations: np.ndarray | None  # (rows, …); None if no tail follows the cut
    rows: pd.DataFrame  # name, view, label, split
    fingerprint: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Features":
        """Open a folder that `write_features` wrote."""
        rows, activations = read_listing(folder), folder / "activations.npy"
        return cls(
            _map_array(folder / "embeddings.npy", len(rows)),
            _map_array(activations, len(rows)) if activations.exists() else None,
            rows,
            read_fingerprint(folder),
        )


def _map_array(path: Path, count: int) -> np.ndarray:
    with damage_explained(path):
        array = np.load(path, mmap_mode="r")
        if len(array) != count or array.offset + array.nbytes != path.stat().st_size:
            raise ValueError(f"it must hold as many rows as rows.csv, {count}, and no more")
    return array
