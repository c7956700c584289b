"""The frozen layers, run once over every picture and view, and what leaves them kept on disk."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pandas as pd
from tqdm import tqdm

from thaw.data.images import batched, decode
from thaw.errors import ThawError
from thaw.files import whole, write_json
from thaw.frozen.graph import BATCH, Facts, Graph
from thaw.runtime import compile_model

SHARD = 256  # rows that are computed, and kept when a run is killed, together


@dataclass(frozen=True)
class Row:
    """A picture (view 0) or one of its augmented views, with its encoded bytes."""

    name: str
    view: int
    label: str
    split: str
    data: bytes


def fingerprint(facts: Facts, cut: int, pooling: str, precision: str, cache: str) -> dict[str, Any]:
    """What the arrays depend on, but for the pictures; compared by `check_fingerprint`."""
    return {
        "base": facts.name,
        "weights": facts.weights,
        "image_size": facts.image_size,
        "cut": cut,
        "pooling": pooling,
        "precision": precision,
        "cache": cache,
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
    graph: Graph,
    made_with: dict[str, Any],
    workers: int,
    unfinished: Callable[[dict[str, Any]], Path],
) -> None:
    """Run the frozen layers over all rows; write the arrays, rows.csv and fingerprint.json.

    pooled.npy has the pooled vector of the whole base for each row, which is what the head learns
    from first; activations.npy, where a tail follows the cut, what leaves the cut, or the uint8
    pictures when nothing that computes comes before it. Both are float16 or float32 otherwise.
    `rows` starts a new pass over the rows at each call. Finished shards are kept, in the folder
    that `unfinished` names, until the whole is written, so that a killed run continues. Raises
    ThawError when a value does not fit the stored type.
    """
    listing, digest = _list(rows())
    made_with = made_with | {"rows": digest}
    shards = unfinished(made_with)
    front = compile_model(
        graph.front(made_with["cut"], made_with["pooling"]), made_with["precision"]
    )
    arrays: dict[str, np.memmap] = {}
    with (
        whole(folder) as temporary,
        tqdm(total=len(listing), desc="features", unit="row") as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        temporary.mkdir()
        start = 0
        for shard in batched(rows(), SHARD):
            block = _shard(shards / f"{start:07d}.npz", shard, front, made_with, pool)
            for name, values in block.items():
                if name not in arrays:
                    arrays[name] = np.lib.format.open_memmap(
                        temporary / f"{name}.npy",
                        "w+",
                        dtype=values.dtype,
                        shape=(len(listing), *values.shape[1:]),
                    )
                arrays[name][start : start + len(values)] = values
            start += len(shard)
            progress.update(len(shard))
        for array in arrays.values():
            array.flush()
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


def _shard(
    path: Path,
    rows: Sequence[Row],
    front: ov.CompiledModel,
    made_with: dict[str, Any],
    pool: ThreadPoolExecutor,
) -> dict[str, np.ndarray]:
    """The arrays of a fixed run of rows, computed unless `path` has them already."""
    if path.exists():
        with np.load(path) as kept:
            return dict(kept)
    size = made_with["image_size"]
    pictures = np.stack(list(pool.map(lambda row: decode(row.data, size), rows)))
    block = run_front(front, pictures, made_with["cache"])
    if made_with["cut"] <= 1:
        block["activations"] = pictures
    with whole(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **block)  # type: ignore[arg-type]
    return block


def run_front(front: ov.CompiledModel, pictures: np.ndarray, dtype: str) -> dict[str, np.ndarray]:
    """What `Graph.front` gives for any number of pictures, by name, as `dtype`."""
    batches = []
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        padded = np.pad(batch, [(0, BATCH - len(batch)), (0, 0), (0, 0), (0, 0)])
        with np.errstate(over="ignore"):  # an overflow is infinite, and refused below
            batches.append([x[: len(batch)].astype(dtype) for x in front(padded).to_tuple()])
    arrays = map(np.concatenate, zip(*batches, strict=True))
    block = dict(zip(("pooled", "activations"), arrays, strict=False))
    if not all(np.isfinite(values).all() for values in block.values()):
        raise ThawError(
            f"every activation of the frozen layers must fit into {dtype}, but some do not: "
            "set compute.cache to float32"
        )
    return block


@dataclass(frozen=True)
class Features:
    """A written folder of features, opened without reading the arrays into memory."""

    pooled: np.ndarray  # (rows, V), memory-mapped
    activations: np.ndarray | None  # (rows, …), memory-mapped; None where no tail follows the cut
    rows: pd.DataFrame  # name, view, label, split
    fingerprint: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Features":
        """Open what `write_features` wrote."""
        activations = folder / "activations.npy"
        return cls(
            np.load(folder / "pooled.npy", mmap_mode="r"),
            np.load(activations, mmap_mode="r") if activations.exists() else None,
            pd.read_csv(folder / "rows.csv", dtype={"name": str, "label": str}),
            json.loads((folder / "fingerprint.json").read_text(encoding="utf-8")),
        )
