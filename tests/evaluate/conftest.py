"""Fixtures: random predictions, and a small project with coloured images and a bundle."""

import io
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from thaw.bundle import write_bundle
from thaw.data.tables import write_table
from thaw.evaluate.predictions import Predictions
from thaw.files import write_json
from thaw.litert import write_nothing

SIDE = 32


@pytest.fixture(scope="session")
def make_predictions():
    """A function that returns random predictions."""
    return random_predictions


def random_predictions(
    classes: int = 3, n: int = 60, seed: int = 0, skill: float = 2.0
) -> Predictions:
    """Predictions on `n` val and `n` test images; a higher `skill` gives a higher accuracy."""
    rng = np.random.default_rng(seed)
    truth = np.arange(2 * n) % classes
    logits = rng.normal(size=(2 * n, classes))
    logits[np.arange(2 * n), truth] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = ["Cat", "Dog", "Été $1$", "None"][:classes]
    return Predictions(
        labels,
        [f"{labels[k]}/{i}.jpg" for i, k in enumerate(truth)],
        np.array(["val"] * n + ["test"] * n, dtype=object),
        truth,
        probabilities.astype(np.float32),
    )


def image(colour: int, rng: np.random.Generator) -> bytes:
    """A noisy PNG in which the channel `colour` is usually the strongest."""
    pixels = rng.normal(100, 60, (24, 40, 3))
    pixels[..., colour] += rng.normal(12, 12)
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "png")
    return stream.getvalue()


def colour_model(classes: int) -> onnx.ModelProto:
    """A network that classifies by mean colour, with heatmaps of 4 × 4."""
    constants = {
        "scale": np.float32(1 / 16),
        "kernel": np.eye(3, classes, dtype=np.float32) * 4,
        "spots": (np.eye(classes, 3, dtype=np.float32) - 0.3)[..., None, None],
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["bytes", "scale"], ["pixels"]),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["map"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["map", "sides"], ["features"], keepdims=0),
        helper.make_node("MatMul", ["features", "kernel"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
        helper.make_node("Conv", ["map", "spots"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["heatmaps"]),
    ]
    constants["sides"] = np.array([2, 3], dtype=np.int64)
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes]),
            helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", classes, 4, 4]),
        ],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def write_project(root: Path, labels: list[str], n: int = 90) -> None:
    """Write all inputs of evaluate, explain and report."""
    rng = np.random.default_rng(0)
    rows, split = [], []
    for i in range(n):
        label = labels[i % len(labels)]
        data = image(i % len(labels), rng)
        sha256 = f"{rng.integers(2**63):064x}"
        name = f"{label}/{i:03}.png"
        rows.append({"name": name, "label": label, "bytes": data, "sha256": sha256, "group": name})
        part = ["train", "val", "test"][i // len(labels) % 3]
        split.append({"name": name, "label": label, "group": name, "split": part})
        split[-1]["fold"] = -1 if part == "test" else 0
    (root / "data").mkdir()
    schema = pa.schema([(key, pa.binary() if key == "bytes" else pa.string()) for key in rows[0]])
    write_table(root / "data/images.parquet", schema, iter(rows), labels)
    rows.sort(key=lambda row: row["name"])
    pd.DataFrame(split).sort_values("name").to_csv(root / "data/split.csv", index=False)
    manifest = {
        "image_size": SIDE,
        "precision": "float32",
        "freeze_till": 7,
        "trainable_parameters": 6,
        "base": "colours",
    }
    model = colour_model(len(labels)).SerializeToString()
    write_bundle(root / "models/bundle", model, labels, manifest)
    write_nothing(root / "models/litert")
    write_json(root / "data/ingest.json", {"images": n})
    for name in ("crossval", "full_crossval"):
        write_json(root / f"outputs/{name}.json", {"n": 0})
    (root / "outputs/train").mkdir(parents=True)
    history = pd.DataFrame(
        {"phase": ["head"] * 3 + ["fine-tuning"] * 2, "epoch": range(1, 6)}
        | {"loss": [0.9, 0.7, 0.6, 0.5, 0.4], "accuracy": [0.5, 0.6, 0.7, 0.8, 0.9]}
        | {"val_loss": [1.0, 0.8, 0.7, 0.6, 0.6], "val_accuracy": [0.4, 0.5, 0.6, 0.7, 0.7]}
    )
    history.to_csv(root / "outputs/train/history.csv", index=False)


@pytest.fixture(params=[2, 3], ids=["two classes", "three classes"])
def project(request, tmp_path, monkeypatch):
    """Change into a project of two or three classes."""
    write_project(tmp_path, ["Red", "Green", "Blue"][: request.param])
    monkeypatch.chdir(tmp_path)
    return tmp_path
