"""Every backbone: cut anywhere, prefix and tail together are the whole, and freezing freezes."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from smallest import smallest

from thaw.errors import ThawError
from thaw.files import sha256_of
from thaw.frozen.features import run_front
from thaw.frozen.graph import Graph
from thaw.model.backbones import BACKBONES, build, preprocess
from thaw.model.fold import FoldedConvolution, fold
from thaw.model.freeze import facts_of, freeze, narrow_points, tail_of, trainable_parameters
from thaw.model.network import as_graph, load_base, take_apart
from thaw.params import Base
from thaw.runtime import compile_model

MOBILENET = Base(name="MobileNetV2", alpha=0.35, weights="none", sha256=None, image_size=32)


def small(name: str, seed: int = 3) -> keras.Model:
    """A row of the table with random weights, as small as it may be."""
    return load_base(smallest(name), seed)


def some_pictures(base: keras.Model, count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (count, *base.input_shape[1:]), dtype=np.uint8)


@pytest.mark.parametrize("name", BACKBONES)
def test_cut_anywhere_the_front_followed_by_the_tail_is_the_whole_network(name, tmp_path):
    base = small(name)
    as_graph(base, name).write(tmp_path / "base")
    graph = Graph.open(tmp_path / "base")
    count = len(base.layers)
    pictures = some_pictures(base, 2)
    expected = np.asarray(base(preprocess(pictures, BACKBONES[name].preprocessing), training=False))
    scale = np.abs(expected).max()
    free = []
    for freeze_till in (0, count // 3, 2 * count // 3, count - 1, count):
        cut = graph.facts.cut(freeze_till)
        assert cut <= freeze_till
        front = compile_model(graph.front(cut, "flatten"), "float32")
        found = run_front(front, pictures, "float32")
        np.testing.assert_allclose(
            found["pooled"] / scale, expected.reshape(2, -1) / scale, atol=1e-5
        )
        assert ("activations" in found) == (1 < cut < count)
        if "activations" in found:
            feature_map = fold(tail_of(base, cut))(found["activations"], training=False)
            np.testing.assert_allclose(feature_map / scale, expected / scale, atol=1e-5)
        freeze(base, freeze_till)
        free.append(trainable_parameters(base))
    assert free == sorted(free, reverse=True)
    assert free[0] > free[2] > free[-1] == 0


def test_a_plain_chain_is_cut_at_every_layer_and_a_residual_block_only_around():
    assert narrow_points(small("VGG16")) == list(range(1, 20))
    base = small("MobileNetV2")
    points = narrow_points(base)
    inside = [layer.name for layer in base.layers].index("block_2_depthwise") + 1
    assert inside not in points
    assert [layer.name for layer in base.layers].index("block_2_add") + 1 in points
    assert facts_of(base).cut(inside) == max(point for point in points if point < inside)


@pytest.mark.parametrize("name", ["VGG16", "ResNet50V2", "DenseNet121", "EfficientNetB0"])
def test_preprocessing_is_that_of_the_backbone(name):
    module = {
        "VGG16": keras.applications.vgg16,
        "ResNet50V2": keras.applications.resnet_v2,
        "DenseNet121": keras.applications.densenet,
        "EfficientNetB0": keras.applications.efficientnet,
    }[name]
    pictures = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = module.preprocess_input(pictures.astype("float32"))
    found = preprocess(pictures, BACKBONES[name].preprocessing)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("freeze_till", [0, 60])
@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_the_stem_gives_the_pooled_vector_of_what_leaves_the_cut(freeze_till, pooling):
    parts = take_apart(MOBILENET, freeze_till, pooling, seed=5)
    front = as_graph(parts.base, "MobileNetV2").front(parts.cut, pooling)
    pictures = some_pictures(parts.base, 2)
    found = run_front(compile_model(front, "float32"), pictures, "float32")
    vector = parts.stem(found.get("activations", pictures))
    np.testing.assert_allclose(vector, found["pooled"], rtol=1e-4, atol=1e-6)
    assert vector.shape == (2, parts.width)


def test_with_everything_frozen_nothing_follows_the_cut():
    parts = take_apart(MOBILENET, "all", "average", seed=5)
    assert parts.stem is None
    assert parts.cut == parts.freeze_till == len(parts.base.layers)


@pytest.mark.parametrize(("name", "normalisations"), [("MobileNetV2", 0), ("DenseNet121", 62)])
def test_folded_batch_normalisation_has_the_gradients_of_the_layers_apart(name, normalisations):
    base = small(name)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # or scale and shift would be 1, 0
            layer.set_weights([w + 0.1 * np.cos(np.arange(w.size)) for w in layer.get_weights()])
    folded = fold(base)
    apart = [layer for layer in folded.layers if type(layer) is keras.layers.BatchNormalization]
    assert len(apart) == normalisations
    assert any(isinstance(layer, FoldedConvolution) for layer in folded.layers)
    pictures = np.random.default_rng(1).normal(size=(2, *base.input_shape[1:])).astype(np.float32)
    gradients = []
    for network in (base, folded):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(network(pictures, training=False)))
        gradients.append(tape.gradient(loss, [w.value for w in base.trainable_weights]))
    assert len(folded.trainable_weights) == len(base.trainable_weights)
    for expected, found in zip(*gradients, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-3)


def test_batch_normalisation_of_the_tail_stays_in_inference_mode_while_it_trains():
    parts = take_apart(MOBILENET, 100, "average", seed=5)
    activations = np.random.default_rng(1).random((4, *parts.stem.input_shape[1:]), np.float32)
    before = [weight.numpy() for weight in parts.base.non_trainable_weights]
    trained = parts.stem(activations, training=True)
    np.testing.assert_array_equal(trained, parts.stem(activations, training=False))
    for old, weight in zip(before, parts.base.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    trainable = {weight.path.rsplit("/", 1)[-1] for weight in parts.stem.trainable_weights}
    assert {"gamma", "beta"} <= trainable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Nothing", "none", 32, None), "must be one of VGG16"),
        (("Xception", "none", 64, None), "71 or more"),
        (("VGG16", "none", 32, 0.5), "has no width"),
        (("MobileNetV2", "none", 32, None), "needs a width"),
        (("VGG16", "nowhere.h5", 32, None), "nowhere.h5"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises(ThawError, match=message):
        build(*arguments)


@pytest.mark.parametrize("freeze_till", [-1, 20])
def test_freeze_till_outside_the_base_is_refused(freeze_till):
    with pytest.raises(ThawError, match="from 0 to 19"):
        take_apart(Base("VGG16", None, "none", None, 32), freeze_till, "average", seed=0)


def test_weights_of_another_width_are_refused_with_what_differs(tmp_path):
    path = tmp_path / "narrow.weights.h5"
    build("MobileNetV2", "none", 32, 0.35).save_weights(path)
    with pytest.raises(ThawError, match=r"narrow\.weights\.h5 do not fit .*base\.alpha"):
        build("MobileNetV2", str(path), 32, 0.5)


def test_weights_from_a_file_are_the_ones_in_it(tmp_path):
    path = tmp_path / "some.weights.h5"
    keras.utils.set_random_seed(8)
    base = build("MobileNetV2", "none", 32, 0.35)
    base.save_weights(path)
    loaded = build("MobileNetV2", str(path), 32, 0.35)
    for one, other in zip(base.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_weights_file_that_changed_is_refused_with_both_hashes(tmp_path):
    path = tmp_path / "some.weights.h5"
    build("MobileNetV2", "none", 32, 0.35).save_weights(path)
    settings = replace(MOBILENET, weights=str(path), sha256=sha256_of(path))
    take_apart(settings, "all", "average", seed=0)
    with path.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ThawError, match=f"{settings.sha256}.*{sha256_of(path)}"):
        take_apart(settings, "all", "average", seed=0)
