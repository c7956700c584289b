"""Every backbone: cut anywhere, prefix and tail together are the whole, and freezing freezes."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from thaw.errors import ThawError
from thaw.files import sha256_of
from thaw.model.backbones import BACKBONES, build
from thaw.model.freeze import cut, freeze, narrow_points, trainable_parameters
from thaw.model.network import take_apart
from thaw.params import Base

MOBILENET = Base(name="MobileNetV2", alpha=0.35, weights="none", sha256=None, image_size=32)


def small(name: str) -> keras.Model:
    row = BACKBONES[name]
    return build(
        name,
        "none",
        max(row.smallest, 32),
        0.35 if name == "MobileNetV2" else 0.25 if row.has_alpha else None,
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_prefix_followed_by_tail_is_the_whole_network(name):
    keras.utils.set_random_seed(3)
    base = small(name)
    count = len(base.layers)
    pictures = np.random.default_rng(0).random((2, *base.input_shape[1:]), np.float32) * 2 - 1
    expected = np.asarray(base(pictures, training=False))
    free = []
    for freeze_till in (0, count // 3, 2 * count // 3, count - 1, count):
        halves = cut(base, freeze_till)
        assert halves.cut <= freeze_till
        activations = halves.prefix(pictures, training=False) if halves.prefix else pictures
        found = halves.tail(activations, training=False) if halves.tail else activations
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
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
    assert cut(base, inside).cut == max(point for point in points if point < inside)


@pytest.mark.parametrize("name", ["VGG16", "ResNet50V2", "DenseNet121", "EfficientNetB0"])
def test_preprocessing_is_that_of_the_backbone(name):
    pictures = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    parts = take_apart(Base(name, None, "none", None, 32), "all", "flatten", seed=5)
    module = {
        "VGG16": keras.applications.vgg16,
        "ResNet50V2": keras.applications.resnet_v2,
        "DenseNet121": keras.applications.densenet,
        "EfficientNetB0": keras.applications.efficientnet,
    }[name]
    expected = parts.base(module.preprocess_input(pictures.astype("float32")), training=False)
    found = parts.front(pictures)
    np.testing.assert_allclose(found, np.reshape(expected, (2, -1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("freeze_till", [0, 60, "all"])
def test_front_and_stem_give_the_pooled_vector_at_any_depth(freeze_till):
    pictures = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    parts = take_apart(MOBILENET, freeze_till, "average", seed=5)
    vector = pictures if parts.front is None else parts.front(pictures)
    vector = vector if parts.stem is None else parts.stem(vector)
    scaled = pictures.astype("float32") / 127.5 - 1
    expected = np.mean(parts.base(scaled, training=False), axis=(1, 2))
    np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-6)
    assert parts.width == expected.shape[1]


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
