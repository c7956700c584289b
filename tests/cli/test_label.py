"""`thaw label`: the CSV, its exit codes, and what a bundle without embedding gives."""

import csv
import io
import json
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from project import ROOT, draw_shapes, run
from typer.testing import CliRunner

from thaw.bundle import write_bundle
from thaw.cli.main import app
from thaw.errors import ThawError
from thaw.image_limits import UnusableImage


@dataclass
class Answer:
    probabilities: np.ndarray
    embedding: np.ndarray


class Bundle:
    """Stands for a bundle: a file of two bytes answers with them, any other is no image."""

    labels = ("Cat", "Dog, or other")

    def __init__(self, bundle, requests):
        self.bundle = bundle

    def predict_each(self, images):
        for data in images:
            if isinstance(data, ThawError):
                yield data
            elif len(data) == 2:
                p = data[0] / 256
                yield Answer(np.float32([p, 1 - p]), np.float32([1, data[1]]))
            else:
                yield UnusableImage("not an image", "")


@pytest.fixture
def label(tmp_path, monkeypatch):
    """A function that runs the command on a few files: exit code, rows, and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("thaw.serving.predictor.Predictor", Bundle)
    files = {"a, b.jpg": b"\x20\1", "c.jpg": b"\x70\1", "d.jpg": b"\x90\x60"}
    for name, data in files.items():
        (tmp_path / "photos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(data)
    (tmp_path / "text.jpg").write_bytes(b"text")

    def invoke(*words, as_text=False):
        done = CliRunner().invoke(app, ["label", *words])
        rows = list(csv.reader(io.StringIO(done.stdout)))
        return done.exit_code, done.stdout if as_text else rows, done.stderr

    return invoke


HEADER = ["rank", "path", "label", "p"]
ROWS = [
    ["1", "photos/c.jpg", "Dog, or other", "0.5625"],
    ["2", "photos/d.jpg", "Cat", "0.5625"],
    ["3", "photos/a, b.jpg", "Dog, or other", "0.875"],
]


def test_the_ranking_goes_to_stdout_or_into_a_file(label, tmp_path):
    code, rows, _ = label("photos")
    assert (code, rows) == (0, [HEADER, *ROWS])
    assert label("photos/*", "--count", "2")[:2] == (0, [HEADER, *ROWS[:2]])
    assert label("photos", "-o", "found/rank.csv")[:2] == (0, [])
    with (tmp_path / "found/rank.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [HEADER, *ROWS]


def test_images_that_cannot_be_used_are_named_and_the_others_ranked(label):
    code, rows, errors = label("text.jpg", "photos")
    assert (code, rows) == (1, [HEADER, *ROWS])
    assert "failed: text.jpg: " in errors
    assert label("text.jpg")[:2] == (1, [HEADER])


def test_json_has_the_ranking_and_what_cannot_be_used(label, tmp_path):
    code, text, _ = label("text.jpg", "photos", "--count", "1", "--json", as_text=True)
    found = json.loads(text)
    best = {"rank": 1, "path": "photos/c.jpg", "label": "Dog, or other", "p": 0.5625}
    assert (code, found["images"]) == (1, [best])
    [failed] = found["failed"]
    assert failed["path"] == "text.jpg" and "not an image" in failed["error"]
    assert label("photos", "--json", "-o", "found.json")[:2] == (0, [])
    assert len(json.loads((tmp_path / "found.json").read_text())["images"]) == 3


def test_wrong_use_has_exit_code_2(label, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, message in (
        (["none.jpg"], "none.jpg does not exist; paths start from"),
        (["empty"], "PATH must hold images, but empty holds none"),
        (["photos", "--count", "0"], "--count"),
        (["photos", "-o", "empty"], "empty"),
        ([], "PATH"),
    ):
        code, rows, errors = label(*words)
        assert (code, rows) == (2, []) and message in " ".join(errors.replace("│", " ").split())


def test_a_bundle_without_embedding_is_one_line(tmp_path):
    shape = ["N", 32, 32, 3]
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["heatmaps"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["heatmaps"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Softmax", ["means"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 3, 32, 32]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    manifest = {"precision": "float32", "image_size": 32}
    bundle = tmp_path / "bundle"
    write_bundle(bundle, model.SerializeToString(), ["red", "green", "blue"], manifest)
    draw_shapes(tmp_path / "shapes", count=2)
    (tmp_path / "src").symlink_to(ROOT / "src")
    output = run("thaw label shapes --bundle bundle 2>&1 >found.csv", tmp_path, expect=2)
    assert output.splitlines()[-1].startswith("error: a ranking needs the embedding of each image")
    assert (tmp_path / "found.csv").read_text() == ""


def test_help_teaches(tmp_path):
    (tmp_path / "src").symlink_to(ROOT / "src")
    output = " ".join(run("thaw label --help", tmp_path).replace("│", " ").split())
    assert "the first N are worth the work as a whole" in output and "-o to_label.csv" in output
