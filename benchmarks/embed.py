"""Time decoding alone, the base alone, and the two as the stage `embed` runs them.

    python benchmarks/embed.py ARCHIVE WEIGHTS [ROUNDS]

ARCHIVE: a zip of photographs; WEIGHTS: of MobileNetV2 1.0. Embeds COUNT photographs at 224 pixels.
Each round (default 3) runs the three in turn. Prints a Markdown table of medians and ranges, in
seconds, and the ratio of the third to the sum of the first two: the median of the rounds' ratios.
"""

import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from thaw.features.backbone_info import BackboneInfo
from thaw.features.extract import Engine, write_array
from thaw.features.graph import Graph
from thaw.features.rows import Row
from thaw.features.stored import EMBEDDINGS_FILE
from thaw.images import decode
from thaw.parallel import cores
from thaw.params import Base
from thaw.tensorflow_log import quiet_import

COUNT, SIZE = 1024, 224


def read(archive: Path) -> list[Row]:
    """The first photographs of an archive."""
    with zipfile.ZipFile(archive) as source:
        names = [name for name in source.namelist() if name.lower().endswith(".jpg")][:COUNT]
        return [Row(name, 0, "", "train", 0, source.read(name)) for name in names]


def load(weights: Path) -> Graph:
    """MobileNetV2 1.0 as a graph."""
    with quiet_import():
        from thaw.model.base import load_base
        from thaw.model.network import as_graph
    settings = Base(
        name="MobileNetV2",
        alpha=1.0,
        weights=str(weights),
        sha256=None,
        image_size=SIZE,
        resize="squash",
    )
    return as_graph(load_base(settings), settings.name)


def decode_all(rows: list[Row]) -> np.ndarray:
    """Decode on all cores."""
    with ThreadPoolExecutor(cores()) as pool:
        return np.stack(list(pool.map(lambda row: decode(row.data, SIZE), rows)))


def embed(rows: list[Row], engine: Engine, info: BackboneInfo) -> None:
    """What the stage does: read, decode, run, write."""
    fingerprint = info.fingerprint("squash", "float32", "float16", pooling="average")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "embeddings", EMBEDDINGS_FILE)
        write_array(path, rows, engine, fingerprint, Path(folder, "checkpoint"))


def seconds(work: Callable[[], object]) -> float:
    """Duration of one call."""
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> None:
    """Time the three in turn and print the table."""
    archive, weights, *rounds = sys.argv[1:]
    rows, graph = read(Path(archive)), load(Path(weights))
    engine = Engine(graph.embedder("average"), "float32", "float16")
    images = decode_all(rows)
    list(engine.run(images))
    work: dict[str, Callable[[], object]] = {
        "decoding alone": lambda: decode_all(rows),
        "the base alone": lambda: list(engine.run(images)),
        "`embed`": lambda: embed(rows, engine, graph.info),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(int(rounds[0]) if rounds else 3):
        for name, function in work.items():
            times[name].append(seconds(function))
    print(f"| {len(rows)} photographs | seconds, median | from | to |\n|---|---|---|---|")
    for name, found in times.items():
        print(f"| {name} | {median(found):.2f} | {min(found):.2f} | {max(found):.2f} |")
    alone, base, both = times.values()
    ratio = median(z / (x + y) for x, y, z in zip(alone, base, both, strict=True))
    print(f"\n`embed` takes {ratio:.2f} × the sum of the other two")


if __name__ == "__main__":
    main()
