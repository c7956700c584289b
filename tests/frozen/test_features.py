"""The cached activations are those of the network, whole, and tied to what made them."""

import io

import keras
import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as opset
from PIL import Image

from thaw.data.images import decode
from thaw.errors import ThawError
from thaw.frozen import features
from thaw.frozen.features import (
    Features,
    Row,
    check_fingerprint,
    fingerprint,
    run_front,
    write_features,
)
from thaw.frozen.graph import BATCH, Graph
from thaw.model.freeze import facts_of
from thaw.model.network import as_graph, load_base, pool
from thaw.params import Base
from thaw.runtime import compile_model


def encoded(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


BASE = Base("MobileNetV2", 0.35, "none", None, 32)
ROWS = [Row(f"Cat/{n}.png", n % 2, "Cat", "train", encoded(n)) for n in range(11)]


@pytest.fixture(scope="module")
def base():
    return load_base(BASE, seed=1)


@pytest.fixture(scope="module")
def graph(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    as_graph(base, BASE.name).write(folder)
    return Graph.open(folder)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features, "SHARD", 4)
    return tmp_path / "features"


def write(folder, graph, freeze_till, pooling="average", cache="float32"):
    cut = graph.facts.cut(freeze_till)
    made_with = fingerprint(graph.facts, cut, pooling, "float32", cache)
    kept = folder.parent / "kept"
    write_features(folder, lambda: iter(ROWS), graph, made_with, 2, lambda key: kept / key["rows"])
    return Features.open(folder)


def pictures():
    return np.stack([decode(row.data, 32) for row in ROWS])


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_what_is_kept_is_what_the_network_computes_for_the_decoded_picture(
    folder, graph, base, pooling
):
    written = write(folder, graph, 60, pooling)
    cut = graph.facts.cut(60)
    network = keras.Model(base.input, [base.layers[cut - 1].output, base.output])
    activations, feature_map = network(pictures() / np.float32(127.5) - 1, training=False)
    np.testing.assert_allclose(written.activations, activations, atol=1e-5)
    np.testing.assert_allclose(written.pooled, pool(pooling)(feature_map), atol=1e-5)
    assert list(written.rows["name"]) == [row.name for row in ROWS]
    assert list(written.rows["view"]) == [row.view for row in ROWS]


def test_with_everything_frozen_only_pooled_vectors_are_kept(folder, graph):
    all_frozen = write(folder, graph, "all")
    assert all_frozen.activations is None
    np.testing.assert_array_equal(
        all_frozen.pooled, write(folder.with_name("other"), graph, 60).pooled
    )


def test_with_nothing_frozen_the_pictures_themselves_are_kept(folder, graph):
    written = write(folder, graph, 0)
    assert written.activations.dtype == np.uint8
    np.testing.assert_array_equal(written.activations, pictures())


def test_a_killed_run_keeps_its_shards_and_ends_with_the_same_bytes(folder, graph, monkeypatch):
    write(folder, graph, 60)
    run, calls = features.run_front, []

    def run_twice(*arguments):
        calls.append(len(arguments[1]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(features, "run_front", run_twice)
    other = folder.with_name("other")
    with pytest.raises(KeyboardInterrupt):
        write(other, graph, 60)
    assert not other.exists()
    write(other, graph, 60)
    assert calls == [4, 4, 3, 3]
    for name in ("activations.npy", "pooled.npy", "rows.csv", "fingerprint.json"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    assert not list((folder.parent / "kept").iterdir())


def test_activations_that_do_not_fit_float16_are_refused():
    x = opset.parameter([BATCH, 32, 32, 3], np.uint8)
    large = opset.multiply(opset.convert(x, np.float32), np.float32(1e6))
    front = compile_model(ov.Model([large], [x]), "float32")
    with pytest.raises(ThawError, match=r"float16.*compute\.cache"):
        run_front(front, pictures(), "float16")
    assert run_front(front, pictures(), "float32")["pooled"].max() > 1e8


def test_another_cut_or_other_weights_are_refused_by_name(folder, graph):
    written = write(folder, graph, 60)
    other = facts_of(load_base(BASE, seed=2))
    expected = fingerprint(other, other.cut(100), "average", "float32", "float32")
    with pytest.raises(ThawError, match=r"has weights .* cut") as refused:
        check_fingerprint(expected, written.fingerprint, "data/features")
    assert "dvc repro" in str(refused.value)
