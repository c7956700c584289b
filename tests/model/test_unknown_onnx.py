"""The graph's embedding and unknown score are those of NumPy, with every head, and flipped."""

import numpy as np
import onnx
import openvino as ov
import pytest
from onnx.numpy_helper import from_array

from thaw.evaluate.unknown import fit, over_positions, score
from thaw.features.head import DenseHead
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.tta_flip import with_tta_flip
from thaw.model.unknown_onnx import positions, with_unknown_score

SIDE, HEIGHT, WIDTH, CHANNELS = 8, 2, 4, 48
BASE = f"""
<ir_version: 8, opset_import: ["" : 18]>
base (uint8[N, {SIDE}, {SIDE}, 3] images) => (float[N, {HEIGHT}, {WIDTH}, {CHANNELS}] feature_map)
{{
  pixels = Cast <to = 1> (images)
  shape = Constant <value_ints = [0, {HEIGHT}, {WIDTH}, 24]> ()
  patches = Reshape (pixels, shape)
  values = MatMul (patches, kernel)
  feature_map = Relu (values)
}}
"""


@pytest.fixture(scope="module")
def base():
    """A base with random weights: 24 values at a time → channels."""
    model = onnx.parser.parse_model(BASE)
    kernel = np.random.default_rng(3).normal(size=(24, CHANNELS)).astype(np.float32) / 255
    model.graph.initializer.append(from_array(kernel, "kernel"))
    return model.SerializeToString()


def images(count, seed):
    """Noise around a colour of each image."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(30, 190, (count, 1, 1, 3))
    return (colours + rng.integers(0, 60, (count, SIDE, SIDE, 3))).astype(np.uint8)


def run(model, pixels):
    """All outputs by name."""
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    return ov.compile_model(ov.Core().read_model(model), "CPU", hints)(pixels)


def classifier(base, pooling, hidden_units, classes):
    factor = HEIGHT * WIDTH if pooling == "flatten" else 1
    head = DenseHead.initial([factor * CHANNELS, *hidden_units, classes], seed=4)
    return classifier_onnx(base, head, pooling)


def feature_maps(base, pixels):
    return run(base, pixels)["feature_map"].reshape(len(pixels), -1)


HEADS = [
    ("average", [], 2),
    ("average", [16, 8], 3),
    ("flatten", [], 2),
    ("flatten", [12], 5),
    ("average", [], 1000),
]


@pytest.mark.parametrize(("pooling", "hidden_units", "classes"), HEADS)
@pytest.mark.parametrize("known", [1, 2, 200])
def test_the_graph_gives_the_score_of_numpy_and_leaves_the_rest(
    base, pooling, hidden_units, classes, known
):
    plain = classifier(base, pooling, hidden_units, classes)
    assert positions(plain) == HEIGHT * WIDTH
    reference = fit(over_positions(feature_maps(base, images(known, 0)), positions(plain)))
    pixels = np.concatenate([images(5, 1), np.zeros((1, SIDE, SIDE, 3), np.uint8)])
    expected = over_positions(feature_maps(base, pixels), positions(plain))
    model = with_unknown_score(plain, vars(reference))
    onnx.checker.check_model(model)
    found, before = run(model, pixels), run(plain, pixels)
    assert found["embedding"].dtype == found["unknown_score"].dtype == np.float32
    np.testing.assert_allclose(found["embedding"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["unknown_score"], score(reference, expected), rtol=1e-3)
    assert found["unknown_score"].std() > 0
    for name in ("probabilities", "heatmaps"):
        np.testing.assert_array_equal(found[name], before[name])


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_with_tta_flip_every_output_is_averaged(base, pooling):
    plain = classifier(base, pooling, [], 3)
    reference = fit(over_positions(feature_maps(base, images(50, 0)), positions(plain)))
    model = with_unknown_score(plain, vars(reference))
    both = with_tta_flip(model)
    onnx.checker.check_model(both)
    pixels = images(5, 1)
    one, other = run(model, pixels), run(model, np.ascontiguousarray(pixels[:, :, ::-1]))
    found = run(both, pixels)
    for name in ("probabilities", "embedding", "unknown_score"):
        np.testing.assert_allclose(found[name], (one[name] + other[name]) / 2, rtol=1e-4)
    unflipped = (one["heatmaps"] + other["heatmaps"][..., ::-1]) / 2
    np.testing.assert_allclose(found["heatmaps"], unflipped, rtol=1e-4, atol=1e-6)
    assert np.abs(one["unknown_score"] - other["unknown_score"]).max() > 1e-3


def test_the_same_reference_gives_the_same_bytes(base):
    plain = classifier(base, "average", [], 2)
    reference = fit(over_positions(feature_maps(base, images(50, 0)), positions(plain)))
    assert with_unknown_score(plain, vars(reference)) == with_unknown_score(plain, vars(reference))
