"""The cached activations are those of the network, whole, and tied to what made them."""

import io

import keras
import numpy as np
import onnx.parser
import openvino as ov
import pytest
from bases import MOBILENET, seeded_base
from damage import assert_noticed
from openvino import opset13 as opset
from PIL import Image

from thaw.bundle import write_bundle
from thaw.errors import ThawError
from thaw.features import extract
from thaw.features.extract import (
    BATCH,
    Features,
    Row,
    check_fingerprint,
    features_fingerprint,
    list_rows,
    read_listing,
    run_prefix,
    write_features,
)
from thaw.features.graph import Graph
from thaw.images import decode
from thaw.model.freeze import backbone_info
from thaw.model.network import as_graph, pool
from thaw.runtime import compile_model
from thaw.serving.predictor import Predictor

IDENTITY = """
<ir_version: 9, opset_import: ["": 18]>
identity (uint8[N, 32, 32, 3] images) => (uint8[N, 32, 32, 3] probabilities) {
  probabilities = Identity (images)
}
"""


def encoded(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


ROWS = [Row(f"Cat/{n}.png", n % 2, "Cat", "train", encoded(n)) for n in range(11)]


@pytest.fixture(scope="module")
def base():
    return seeded_base(MOBILENET, seed=1)


@pytest.fixture(scope="module")
def graph(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    as_graph(base, "MobileNetV2").write(folder)
    return Graph.open(folder)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extract, "SHARD_SIZE", 4)
    return tmp_path / "features"


def write(folder, graph, freeze_till, pooling="average", cache_dtype="float32", resize="squash"):
    cut = graph.info.cut(freeze_till)
    listing, digest = list_rows(ROWS)
    fingerprint = features_fingerprint(graph.info, cut, resize, pooling, "float32", cache_dtype)
    fingerprint["rows"] = digest
    checkpoint = folder.parent / "checkpoint"
    write_features(folder, ROWS, listing, graph, fingerprint, checkpoint)
    return Features.open(folder)


def images():
    return np.stack([decode(row.data, 32) for row in ROWS])


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_what_is_kept_is_what_the_network_computes_for_the_decoded_image(
    folder, graph, base, pooling
):
    written = write(folder, graph, 60, pooling)
    cut = graph.info.cut(60)
    network = keras.Model(base.input, [base.layers[cut - 1].output, base.output])
    activations, feature_map = network(images() / np.float32(127.5) - 1, training=False)
    np.testing.assert_allclose(written.activations, activations, atol=1e-5)
    np.testing.assert_allclose(written.embeddings, pool(pooling)(feature_map), atol=1e-5)
    assert list(written.rows["name"]) == [row.name for row in ROWS]
    assert list(written.rows["view"]) == [row.view for row in ROWS]


@pytest.mark.parametrize("label", ["NA", "None", "null", "1"])
def test_a_class_of_any_name_is_read_as_it_was_written(folder, label):
    listing, _ = list_rows([Row("a.png", 0, label, "train", b"")])
    folder.mkdir()
    listing.to_csv(folder / "rows.csv", index=False)
    assert read_listing(folder)["label"].tolist() == [label]


def test_with_everything_frozen_only_embeddings_are_kept(folder, graph):
    all_frozen = write(folder, graph, "all")
    assert all_frozen.activations is None
    np.testing.assert_array_equal(
        all_frozen.embeddings, write(folder.with_name("other"), graph, 60).embeddings
    )


def test_with_nothing_frozen_the_images_themselves_are_kept(folder, graph):
    written = write(folder, graph, 0)
    assert written.activations.dtype == np.uint8
    np.testing.assert_array_equal(written.activations, images())


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_training_and_serving_see_the_same_pixels(folder, graph, resize):
    written = write(folder, graph, 0, resize=resize)
    manifest = {"image_size": 32, "precision": "float32", "resize": resize}
    x = onnx.parser.parse_model(IDENTITY).SerializeToString()
    write_bundle(folder.with_name("bundle"), x, ["Cat"], manifest)
    predictor = Predictor(folder.with_name("bundle"))
    served = np.stack([predictor.decode(row.data) for row in ROWS])
    np.testing.assert_array_equal(written.activations, served)
    assert written.fingerprint["resize"] == resize
    assert np.array_equal(served, images()) == (resize == "squash")


def test_a_bundle_that_does_not_say_squashes(folder):
    x = onnx.parser.parse_model(IDENTITY).SerializeToString()
    write_bundle(folder, x, ["Cat"], {"image_size": 32, "precision": "float32"})
    predictor = Predictor(folder)
    assert np.array_equal(predictor.decode(ROWS[0].data), decode(ROWS[0].data, 32))


def test_a_killed_run_keeps_its_shards_and_ends_with_the_same_bytes(folder, graph, monkeypatch):
    write(folder, graph, 60)
    run, calls = extract.run_prefix, []

    def run_twice(*arguments):
        calls.append(len(arguments[1]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(extract, "run_prefix", run_twice)
    other = folder.with_name("other")
    with pytest.raises(KeyboardInterrupt):
        write(other, graph, 60)
    assert not other.exists()
    write(other, graph, 60)
    assert calls == [4, 4, 3, 3]
    for name in ("activations.npy", "embeddings.npy", "rows.csv", "fingerprint.json"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    assert not (folder.parent / "checkpoint").exists()


def test_damaged_features_are_named(folder, graph):
    write(folder, graph, 60)
    for name in ("embeddings.npy", "rows.csv", "fingerprint.json"):
        assert_noticed(folder / name, lambda: Features.open(folder))


def test_rows_that_are_not_those_of_the_arrays_are_noticed(folder, graph):
    write(folder, graph, 60)
    rows, whole = folder / "rows.csv", (folder / "rows.csv").read_text()
    lines = whole.splitlines(keepends=True)
    for text, reason in (
        ("".join(lines[:-1]), r"embeddings\.npy .* as many rows as rows.csv, 10"),
        (lines[0], "it has no row"),
        (whole.replace("train", "trein", 1), "its splits must be train and val, not trein"),
        (whole.replace(",0,", ",0.5,", 1), "is damaged"),
        (whole.replace(",Cat,", ",", 1), "is damaged"),
        (whole[:-1], "its last line has no end"),
    ):
        rows.write_text(text)
        with pytest.raises(ThawError, match=reason):
            Features.open(folder)


def test_a_damaged_base_is_named(graph, tmp_path):
    graph.write(tmp_path / "base")
    for name in ("info.json", "graph.xml", "graph.bin"):
        path = tmp_path / "base" / name
        for content in (b"", path.read_bytes()[:100]):
            path.write_bytes(content)
            with pytest.raises(ThawError, match=r"/base must be as .* delete it and run `dvc"):
                Graph.open(tmp_path / "base")
        graph.write(tmp_path / "base")


def test_a_damaged_shard_is_named(folder, graph):
    checkpoint = folder.parent / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "00001.npz").write_bytes(b"PK")
    with pytest.raises(ThawError, match=r"00001\.npz must be as .* delete it and run `dvc repro`"):
        write(folder, graph, 60)


def test_a_damaged_model_of_a_bundle_is_named(folder):
    write_bundle(folder, b"model", ["Cat"], {"image_size": 32, "precision": "float32"})
    with pytest.raises(ThawError, match=r"model\.onnx must be as the pipeline wrote it"):
        Predictor(folder)


def test_activations_that_do_not_fit_float16_are_refused():
    x = opset.parameter([BATCH, 32, 32, 3], np.uint8)
    large = opset.multiply(opset.convert(x, np.float32), np.float32(1e6))
    prefix = compile_model(ov.Model([large], [x]), "float32")
    with pytest.raises(ThawError, match=r"float16.*compute\.cache_dtype"):
        run_prefix(prefix, images(), "float16")
    assert run_prefix(prefix, images(), "float32")["embeddings"].max() > 1e8


def test_another_cut_or_other_weights_are_refused_by_name(folder, graph):
    written = write(folder, graph, 60)
    other = backbone_info(seeded_base(MOBILENET, seed=2))
    expected = features_fingerprint(
        other, other.cut(100), "squash", "average", "float32", "float32"
    )
    with pytest.raises(ThawError, match=r"has weights .* cut") as refused:
        check_fingerprint(expected, written.fingerprint, "data/features")
    assert "dvc repro" in str(refused.value)
