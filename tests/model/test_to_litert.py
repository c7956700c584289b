"""The LiteRT file says what the bundle's graph says, and its example answers as the bundle does."""

import json
import subprocess
import sys

import numpy as np
import openvino as ov
import pytest
from bases import MOBILENET, seeded_base
from PIL import Image

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.evaluate.unknown import fit, over_positions
from thaw.features.head import DenseHead
from thaw.images import decode
from thaw.litert import open_litert, write_litert, write_nothing
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.litert import Classifier, to_litert
from thaw.model.temperature import divide_scores
from thaw.model.to_onnx import base_to_onnx
from thaw.model.tta_flip import with_tta_flip
from thaw.model.unknown_onnx import with_unknown_score

SIDE, TEMPERATURE = 64, 1.7
LABELS = ["Ant", "Bee", "Cow"]
MANIFEST = {
    "image_size": SIDE,
    "resize": "squash",
    "tta_flip": False,
    "temperature": TEMPERATURE,
    "unknown": {"limit": 1e9},
}
KINDS = [  # pooling, hidden units, test-time flip
    ("average", [], False),
    ("average", [16, 8], True),
    ("flatten", [12], False),
]


def images(count):
    """Noise around a colour of each image."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 190, (count, 1, 1, 3))
    return (colours + rng.integers(0, 60, (count, SIDE, SIDE, 3))).astype(np.uint8)


def run(model, pixels):
    """All outputs of an ONNX by name."""
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    found = ov.compile_model(ov.Core().read_model(model), "CPU", hints)(pixels)
    return {output.any_name: array for output, array in found.items()}


@pytest.fixture(scope="module")
def base():
    """A base with random weights, and its ONNX."""
    base = seeded_base(MOBILENET.model_copy(update={"image_size": SIDE}), seed=4)
    return base, base_to_onnx(base, "MobileNetV2")


def both(base, pooling, hidden_units, tta_flip):
    """The ONNX and the LiteRT file of a classifier that tells images apart."""
    network, onnx = base
    maps = run(onnx, images(40))["feature_map"]
    positions = maps.shape[1] * maps.shape[2]
    embeddings = maps.mean(axis=(1, 2)) if pooling == "average" else maps.reshape(len(maps), -1)
    head = DenseHead.initial([embeddings.shape[1], *hidden_units, len(LABELS)], seed=4)
    head.weights[0][:] /= embeddings.std(axis=0).mean()
    head.weights[1][:] = -embeddings.mean(axis=0) @ head.weights[0]
    flattened = positions if pooling == "flatten" else 1
    reference = vars(fit(over_positions(embeddings, flattened)))
    graph = divide_scores(classifier_onnx(onnx, head, pooling), TEMPERATURE)
    graph = with_unknown_score(graph, reference)
    classifier = Classifier(network, "MobileNetV2", pooling, head, TEMPERATURE, reference)
    return with_tta_flip(graph) if tta_flip else graph, to_litert(classifier, tta_flip)


@pytest.mark.parametrize(("pooling", "hidden_units", "tta_flip"), KINDS)
def test_the_file_gives_what_the_bundle_gives(base, tmp_path, pooling, hidden_units, tta_flip):
    graph, model = both(base, pooling, hidden_units, tta_flip)
    write_litert(tmp_path / "litert", model, LABELS, MANIFEST)
    device, pixels = open_litert(tmp_path / "litert"), images(6)
    expected = run(graph, pixels)
    answers = [device.predict(image) for image in pixels]
    assert expected["probabilities"].std(axis=0).min() > 0.03
    for name, value in expected.items():
        found = np.stack([answer[name] for answer in answers])
        assert found.dtype == np.float32 and found.shape == value.shape
        tolerance = 1e-4 if name == "probabilities" else 1e-3 * np.abs(value).max()
        np.testing.assert_allclose(found, value, rtol=0, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def folder(base, tmp_path_factory):
    """A folder of a linear head."""
    folder = tmp_path_factory.mktemp("models") / "litert"
    write_litert(folder, both(base, *KINDS[0])[1], LABELS, MANIFEST)
    return folder


@pytest.mark.parametrize(
    ("resize", "most_risk"), [("squash", None), ("crop", None), ("pad", None), ("pad", 0.0)]
)
def test_the_example_answers_as_the_bundle_does(folder, tmp_path, resize, most_risk):
    manifest = folder / "manifest.json"
    whole = manifest.read_text()
    changed = {"resize": resize, "most_risk": most_risk}
    manifest.write_text(json.dumps(json.loads(whole) | changed))
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for path, pixels in zip(files, images(3)):
        Image.fromarray(pixels).resize((90, 50)).save(path)
    command = [sys.executable, folder / "example.py", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    manifest.write_text(whole)
    assert done.returncode == 0, done.stderr
    device = open_litert(folder)
    lines = done.stdout.splitlines()
    for path, line in zip(files, lines, strict=True):
        found = device.predict(decode(path.read_bytes(), SIDE, resize))
        name, label, probability, score = line.split("\t")
        answer = LABELS[found["probabilities"].argmax()]
        assert (name, label) == (str(path), answer if most_risk is None else "unsure")
        assert float(probability) == pytest.approx(found["probabilities"].max(), abs=1e-4)
        assert float(score) == pytest.approx(found["unknown_score"], rel=1e-3, abs=1e-3)


RULES = {"threshold": 0.7}, {"costs": [[0.0, 1.0], [5.0, 0.0]]}, {}


@pytest.mark.parametrize("rule", RULES)
def test_costs_alone_give_the_answers_and_risks_of_every_rule(rule):
    first = np.random.default_rng(0).random(500)
    probabilities = np.stack([first, 1 - first], axis=1)
    answers, risk = DecisionRule(**rule).decide(probabilities)
    expected = probabilities @ DecisionRule(**rule).cost_matrix(2)
    np.testing.assert_array_equal(expected.argmin(axis=1), answers)
    np.testing.assert_allclose(expected.min(axis=1), risk, atol=1e-12)


def test_a_folder_without_a_file_says_so(tmp_path):
    write_nothing(tmp_path / "litert")
    assert open_litert(tmp_path / "litert") is None
    assert "export.formats" in (tmp_path / "litert/manifest.json").read_text()


def test_without_the_runtime_it_is_one_line(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ThawError, match="package ai-edge-litert, which is not installed"):
        open_litert(folder)


def test_a_damaged_file_is_one_line(tmp_path):
    write_litert(tmp_path / "litert", b"no model", LABELS, MANIFEST)
    path = tmp_path / "litert/classifier.tflite"
    for damage in (lambda: None, lambda: path.write_bytes(b"another"), path.unlink):
        damage()
        with pytest.raises(
            ThawError, match=r"classifier\.tflite must be as the pipeline wrote"
        ) as e:
            open_litert(tmp_path / "litert")
        assert len(str(e.value).splitlines()) == 1 and "dvc repro --force export" in str(e.value)
