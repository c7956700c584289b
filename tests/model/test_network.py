"""Every backbone: cut anywhere, prefix and tail together are the whole, and freezing freezes."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from bases import MOBILENET, seeded_base, seeded_split, smallest, without_download

from thaw.backbones import BACKBONES
from thaw.errors import ThawError
from thaw.features.extract import Engine
from thaw.features.graph import Graph
from thaw.files import sha256_of
from thaw.model.base import load_base, load_weights, preprocess
from thaw.model.freeze import backbone_info, cut_points, freeze, tail_of, trainable_parameters
from thaw.model.fuse_bn import FusedConvolution, fuse_bn
from thaw.model.network import as_graph


def small(name: str, seed: int = 3) -> keras.Model:
    """A row of the table with random weights, as small as it may be."""
    return seeded_base(smallest(name), seed)


def some_images(base: keras.Model, count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (count, *base.input_shape[1:]), dtype=np.uint8)


def run(model, images):
    return np.stack(list(Engine(model, "float32", "float32").run(images)))


@pytest.mark.parametrize("name", BACKBONES)
def test_cut_anywhere_the_prefix_followed_by_the_tail_is_the_whole_network(name, tmp_path):
    base = small(name)
    as_graph(base, name).write(tmp_path / "base")
    graph = Graph.open(tmp_path / "base")
    count = len(base.layers)
    images = some_images(base, 2)
    expected = np.asarray(base(preprocess(images, BACKBONES[name].preprocessing), training=False))
    scale = np.abs(expected).max()
    free = []
    embeddings = run(graph.embedder("flatten"), images)
    np.testing.assert_allclose(embeddings / scale, expected.reshape(2, -1) / scale, atol=1e-5)
    for freeze_till in (0, count // 3, 2 * count // 3, count - 1, count):
        cut = graph.info.cut(freeze_till)
        assert cut <= freeze_till
        activations = run(graph.prefix(cut), images)
        if cut <= 1:
            np.testing.assert_array_equal(activations, images)
        elif cut < count:
            feature_map = fuse_bn(tail_of(base, cut))(activations, training=False)
            np.testing.assert_allclose(feature_map / scale, expected / scale, atol=1e-5)
        freeze(base, freeze_till)
        free.append(trainable_parameters(base))
    assert free == sorted(free, reverse=True)
    assert free[0] > free[2] > free[-1] == 0


def test_a_plain_chain_is_cut_at_every_layer_and_a_residual_block_only_around():
    assert cut_points(small("VGG16")) == list(range(1, 20))
    base = small("MobileNetV2")
    points = cut_points(base)
    inside = [layer.name for layer in base.layers].index("block_2_depthwise") + 1
    assert inside not in points
    assert [layer.name for layer in base.layers].index("block_2_add") + 1 in points
    assert backbone_info(base).cut(inside) == max(point for point in points if point < inside)


@pytest.mark.parametrize("name", BACKBONES)
def test_preprocessing_is_that_of_keras(name):
    module = sys.modules[getattr(keras.applications, name).__module__]
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = module.preprocess_input(images.astype("float32"))
    found = preprocess(images, BACKBONES[name].preprocessing)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_efficientnet_is_the_same_with_imagenet_weights_from_a_file(tmp_path, monkeypatch):
    settings, path = smallest("EfficientNetB0"), tmp_path / "imagenet.weights.h5"
    with monkeypatch.context() as patch:
        without_download(patch)
        base = load_base(settings.model_copy(update={"weights": "imagenet"}))
    base.save_weights(path)
    images = some_images(base, 2)
    loaded = load_base(settings.model_copy(update={"weights": str(path)}))
    np.testing.assert_array_equal(loaded(images), base(images))


@pytest.mark.parametrize("freeze_till", [0, 60])
@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_the_tail_gives_the_embedding_from_the_activations(freeze_till, pooling):
    parts = seeded_split(MOBILENET, freeze_till, pooling, seed=5)
    graph = as_graph(parts.base, "MobileNetV2")
    images = some_images(parts.base, 2)
    vector = parts.tail(run(graph.prefix(parts.cut), images))
    expected = run(graph.embedder(pooling), images)
    np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-6)
    assert vector.shape == (2, parts.embedding_size)


def test_with_everything_frozen_nothing_follows_the_cut():
    parts = seeded_split(MOBILENET, "all", "average", seed=5)
    assert parts.tail is None
    assert parts.cut == parts.freeze_till == len(parts.base.layers)


@pytest.mark.parametrize(("name", "normalisations"), [("MobileNetV2", 0), ("DenseNet121", 62)])
def test_fused_batch_norm_has_the_gradients_of_the_layers_apart(name, normalisations):
    base = small(name)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # or scale and shift would be 1, 0
            layer.set_weights([w + 0.1 * np.cos(np.arange(w.size)) for w in layer.get_weights()])
    fused = fuse_bn(base)
    apart = [layer for layer in fused.layers if type(layer) is keras.layers.BatchNormalization]
    assert len(apart) == normalisations
    assert any(isinstance(layer, FusedConvolution) for layer in fused.layers)
    images = np.random.default_rng(1).normal(size=(2, *base.input_shape[1:])).astype(np.float32)
    gradients = []
    for network in (base, fused):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(network(images, training=False)))
        gradients.append(tape.gradient(loss, [w.value for w in base.trainable_weights]))
    assert len(fused.trainable_weights) == len(base.trainable_weights)
    for expected, found in zip(*gradients, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-3)


def test_batch_normalisation_of_the_tail_stays_in_inference_mode_while_it_trains():
    parts = seeded_split(MOBILENET, 100, "average", seed=5)
    activations = np.random.default_rng(1).random((4, *parts.tail.input_shape[1:]), np.float32)
    before = [weight.numpy() for weight in parts.base.non_trainable_weights]
    trained = parts.tail(activations, training=True)
    np.testing.assert_array_equal(trained, parts.tail(activations, training=False))
    for old, weight in zip(before, parts.base.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    trainable = {weight.path.rsplit("/", 1)[-1] for weight in parts.tail.trainable_weights}
    assert {"gamma", "beta"} <= trainable


@pytest.mark.parametrize("freeze_till", [-1, 20])
def test_freeze_till_outside_the_base_is_refused(freeze_till):
    with pytest.raises(ThawError, match="from 0 to 19"):
        seeded_split(smallest("VGG16"), freeze_till, "average", seed=0)


def with_weights(path, **changes):
    return MOBILENET.model_copy(update={"weights": str(path), **changes})


def test_missing_weights_are_named():
    with pytest.raises(ThawError, match=r"nowhere\.h5 does not exist"):
        load_base(with_weights("nowhere.h5"))


def test_weights_of_another_width_are_refused_with_what_differs(tmp_path):
    path = tmp_path / "narrow.weights.h5"
    load_base(MOBILENET).save_weights(path)
    with pytest.raises(ThawError, match=r"narrow\.weights\.h5 do not fit .*base\.alpha"):
        load_base(with_weights(path, alpha=0.5))


def refusal(base, path):
    with pytest.raises(ThawError, match=path.name) as refused:
        load_weights(base, path)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


@pytest.fixture
def weights(tmp_path):
    """A base, and its weights in a file."""
    base = load_base(MOBILENET)
    base.save_weights(tmp_path / "some.weights.h5")
    return base, tmp_path / "some.weights.h5"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_named(weights, value):
    base, path = weights
    kernel = base.get_layer("block_3_expand").kernel
    kernel.assign(kernel * value)
    base.save_weights(path)
    assert "block_3_expand/kernel must be finite" in refusal(base, path)


def test_a_damaged_weights_file_is_one_line(weights):
    base, path = weights
    whole = path.read_bytes()
    damaged = (b"", b"weights", whole[:3000], whole[:-3000], bytes(len(whole)))
    no_names = [whole.replace(mark, b"XXXX") for mark in (b"HEAP", b"SNOD", b"TREE")]
    for content in (*damaged, *no_names):
        path.write_bytes(content)
        assert "get it again" in refusal(base, path)


def test_weights_from_a_file_are_the_ones_in_it(tmp_path):
    path = tmp_path / "some.weights.h5"
    base = seeded_base(MOBILENET, seed=8)
    base.save_weights(path)
    loaded = load_base(with_weights(path))
    for one, other in zip(base.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_weights_file_that_changed_is_refused_with_both_hashes(tmp_path):
    path = tmp_path / "some.weights.h5"
    load_base(MOBILENET).save_weights(path)
    settings = with_weights(path, sha256=sha256_of(path))
    load_base(settings)
    with path.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ThawError, match=f"{settings.sha256}.*{sha256_of(path)}"):
        load_base(settings)
