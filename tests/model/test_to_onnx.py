"""The bundle says what Keras says, and its heat maps are those of Grad-CAM by gradient."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from bases import MOBILENET, seeded_split, smallest

from thaw.backbones import BACKBONES
from thaw.bundle import write_bundle
from thaw.errors import ThawError
from thaw.features.head import DenseHead
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.keras_head import build_head
from thaw.model.network import build_classifier, pool
from thaw.model.to_onnx import base_to_onnx
from thaw.model.tta_flip import with_tta_flip
from thaw.serving.predictor import Predictor

ATOL = 1e-4


@pytest.fixture(scope="module", params=[("average", [16, 8]), ("flatten", []), ("flatten", [12])])
def bundle(request, tmp_path_factory):
    pooling, hidden_units = request.param
    parts = seeded_split(MOBILENET.model_copy(update={"image_size": 64}), 100, pooling, seed=4)
    return write(
        tmp_path_factory.mktemp("models") / "bundle", "MobileNetV2", parts, pooling, hidden_units
    )


def write(folder, name, parts, pooling, hidden_units):
    """Write the bundle of a classifier that tells five images apart."""
    shape = (5, *parts.base.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    head = build_head(parts.embedding_size, hidden_units, 0.3, 3)
    model = build_classifier(parts.base, name, pooling, head)
    to_embedding = keras.Model(model.input, model.get_layer("pool").output)
    spread_out(head, to_embedding(images).numpy())
    onnx = classifier_onnx(base_to_onnx(parts.base, name), DenseHead(head.get_weights()), pooling)
    (folder.parent / "classifier.onnx").write_bytes(onnx)
    bundled(folder, model)
    return folder, model, images, pooling


def bundled(folder, model, change=lambda onnx: onnx):
    """Write the bundle of the classifier that lies beside it."""
    manifest = {"precision": "float32", "image_size": model.input_shape[1]}
    labels = ["Ant", "Bee", "Cow"]
    onnx = (folder.parent / "classifier.onnx").read_bytes()
    write_bundle(folder, change(onnx), labels, manifest)


def spread_out(head, vectors):
    """Fit the first layer to what a random base gives, or all images would look the same."""
    first = next(layer for layer in head.layers if isinstance(layer, keras.layers.Dense))
    first.kernel.assign(first.kernel / vectors.std(axis=0).mean())
    first.bias.assign(-vectors.mean(axis=0) @ first.kernel)


def by_gradient(model, pooling, images, label):
    """Grad-CAM as its paper writes it, with the score before the softmax."""
    feature_map = keras.Model(model.input, model.get_layer("pool").input)(images, training=False)
    head = model.get_layer("head")
    *hidden, softmax = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    with tf.GradientTape() as tape:
        tape.watch(feature_map)
        x = pool(pooling)(feature_map)
        for layer in hidden:
            x = layer(x)
        score = (x @ softmax.kernel + softmax.bias)[:, label]
    weights = tf.reduce_mean(tape.gradient(score, feature_map), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * feature_map, axis=-1)).numpy()


def check_agreement(folder, model, images, pooling):
    probabilities, heatmaps, *_ = Predictor(folder).predict(images)
    for found, alone in zip(
        Predictor(folder, requests=2).predict(images)[:2], (probabilities, heatmaps)
    ):
        np.testing.assert_array_equal(found, alone)
    np.testing.assert_allclose(probabilities, model(images), atol=ATOL)
    assert probabilities.std(axis=0).min() > 0.01
    for label in range(3):
        expected = by_gradient(model, pooling, images, label)
        scale = max(expected.max(), 1e-6)
        np.testing.assert_allclose(heatmaps[:, label] / scale, expected / scale, atol=ATOL)
    assert heatmaps.max() > 0
    return probabilities, heatmaps


def test_the_bundle_agrees_with_keras_and_with_gradient_gradcam(bundle):
    probabilities, heatmaps = check_agreement(*bundle)
    assert probabilities.std(axis=0).min() > 0.05
    assert heatmaps.shape == (5, 3, 2, 2)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_bundle_of_every_backbone_agrees(name, tmp_path):
    parts = seeded_split(smallest(name), "all", "average", seed=4)
    for layer in parts.base.layers:
        if isinstance(layer, keras.layers.Normalization):  # or it would leave images as they are
            layer.mean, layer.variance = layer.mean + 0.4, layer.variance * 0.06
    check_agreement(*write(tmp_path / "bundle", name, parts, "average", [8]))


def test_with_tta_flip_a_bundle_averages_an_image_and_its_flip(bundle):
    folder, model, images, _ = bundle
    bundled(folder.with_name("both"), model, with_tta_flip)
    both = Predictor(folder.with_name("both"))
    flipped = np.ascontiguousarray(images[:, :, ::-1])
    probabilities, heatmaps, *_ = Predictor(folder).predict(images)
    of_flipped, maps_of_flipped, *_ = Predictor(folder).predict(flipped)
    found, maps, *_ = both.predict(images)
    np.testing.assert_allclose(found, (probabilities + of_flipped) / 2, atol=ATOL)
    expected = (heatmaps + maps_of_flipped[..., ::-1]) / 2
    np.testing.assert_allclose(maps, expected, atol=ATOL * expected.max())
    assert np.abs(probabilities - of_flipped).max() > 0.05
    of_flipped, maps_of_flipped, *_ = both.predict(flipped)
    np.testing.assert_allclose(of_flipped, found, atol=ATOL)
    np.testing.assert_allclose(maps_of_flipped[..., ::-1], maps, atol=ATOL * maps.max())


def test_the_same_weights_give_the_same_bytes_whatever_was_traced_before():
    base = seeded_split(smallest("MobileNetV2"), "all", "average", seed=4).base
    first = base_to_onnx(base, "MobileNetV2")
    tf.function(lambda x: x + 1)(np.zeros(3))  # TensorFlow numbers what it traces
    assert base_to_onnx(base, "MobileNetV2") == first


def test_the_manifest_says_what_is_in_the_bundle(bundle):
    predictor = Predictor(bundle[0])
    assert predictor.labels == ["Ant", "Bee", "Cow"] == predictor.manifest["labels"]
    assert predictor.image_size == 64
    parts = {"model.onnx", "labels.json", "seen_images.txt", "manifest.json"}
    assert set(predictor.manifest["sha256"]) == parts


def test_a_damaged_bundle_is_refused_by_the_name_of_the_part(bundle):
    labels = bundle[0] / "labels.json"
    whole = labels.read_bytes()
    labels.write_text(json.dumps(["Ant", "Bee", "Dog"]))
    with pytest.raises(ThawError, match=r"labels\.json must have SHA-256"):
        Predictor(bundle[0])
    labels.write_bytes(whole)
    with pytest.raises(ThawError, match="has no bundle"):
        Predictor(bundle[0].parent)
