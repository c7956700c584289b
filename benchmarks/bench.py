"""Measure what caching the frozen layers saves in training, and the bundle in prediction.

    make bench

Uses the last result of `dvc repro`. The two variants of each pair alternate in one process, after
a warm-up, so other load on the machine slows both alike; compare ratios, not times. Prints a
Markdown table and writes it to benchmarks/results.md, and the numbers to benchmarks/results.json.
"""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median

from thaw.tensorflow_log import quiet_import

with quiet_import():
    import keras

import numpy as np

from thaw.backbones import BACKBONES
from thaw.data.tables import read_rows
from thaw.features.extract import Engine
from thaw.files import atomic_write, write_json
from thaw.images import decode
from thaw.model.base import preprocess
from thaw.model.keras_head import build_head
from thaw.model.network import Inference, as_graph, pool, split_backbone
from thaw.model.saved import build_trained
from thaw.model.train import Adam, ArrayDataset, batches
from thaw.params import Params, load
from thaw.paths import TRAIN, WEIGHTS
from thaw.serving.predictor import Predictor

ROUNDS = 5
ROWS = 512  # images of an epoch
FOLDER = Path(__file__).parent


def seconds(function: Callable[[], object]) -> float:
    """Duration of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(before: Callable[[], object], after: Callable[[], object]) -> dict[str, float]:
    """Median durations of both, in milliseconds, and their ratio."""
    rounds = [(seconds(before), seconds(after)) for _ in range(1 + ROUNDS)][1:]
    slow, fast = (1000 * median(times) for times in zip(*rounds, strict=True))
    result = {"before_ms": slow, "after_ms": fast, "ratio": slow / fast}
    return {name: round(value, 1) for name, value in result.items()}


def epoch(model: keras.Model, data: ArrayDataset, batch_size: int) -> Callable[[], object]:
    """Compile `model` as the train stage does; return a function that trains one epoch."""
    model.compile(Adam(1e-5), loss="sparse_categorical_crossentropy", jit_compile=False)
    return lambda: model.fit(batches(data, batch_size), shuffle=False, verbose=0)


def epochs(params: Params, freeze_till: int | str, images: np.ndarray) -> dict[str, float]:
    """Compare an epoch of the entire network in Keras with one of what the train stage trains."""
    base, settings = params.base, params.train
    parts = split_backbone(base, freeze_till, settings.pooling)
    head = build_head(parts.embedding_size, settings.hidden_units, settings.dropout, 2)
    inputs = keras.Input(images.shape[1:], dtype="uint8")
    feature_map = Inference(parts.base)(preprocess(inputs, BACKBONES[base.name].preprocessing))
    network = keras.Model(inputs, head(pool(settings.pooling)(feature_map)))
    graph = as_graph(parts.base, base.name)
    if parts.tail is None:
        rest, frozen = head, graph.embedder(settings.pooling)
    else:
        rest = keras.Model(parts.tail.input, head(parts.tail.output))
        frozen = graph.prefix(parts.cut)
    cached = np.stack(list(Engine(frozen, "float32", "float32").run(images)))
    rows, labels = np.arange(len(images)), np.arange(len(images)) % 2
    return compare(
        epoch(network, ArrayDataset(images, rows, labels), settings.batch_size),
        epoch(rest, ArrayDataset(cached, rows, labels), settings.batch_size),
    )


def one_image(params: Params, images: np.ndarray) -> dict[str, float]:
    """Compare Keras' `predict` on one image with the bundle, which also returns heatmaps."""
    model = build_trained(params, TRAIN / "best.json", WEIGHTS)
    predictor = Predictor("models/bundle")
    return compare(
        lambda: model.predict(images[:1], verbose=0), lambda: predictor.predict(images[:1])
    )


def main() -> None:
    """Measure every pair and write the results."""
    params = load()
    size = params.base.image_size
    rows = islice(read_rows("data/images.parquet", ["bytes"]), ROWS)
    images = np.stack([decode(row["bytes"], size, params.base.resize) for row in rows])
    results = {
        "an epoch, default depth: entire network / cached activations": epochs(
            params, params.train.freeze_till, images
        ),
        "an epoch, base frozen: entire network / cached activations": epochs(params, "all", images),
        "one image: Keras predict / bundle": one_image(params, images),
    }
    lines = ["| what | before, ms | after, ms | ratio |", "|---|---|---|---|"]
    for what, found in results.items():
        lines.append(f"| {what} | {' | '.join(map(str, found.values()))} |")
    table = "\n".join(lines) + "\n"
    write_json(FOLDER / "results.json", results)
    with atomic_write(FOLDER / "results.md") as temporary:
        temporary.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
