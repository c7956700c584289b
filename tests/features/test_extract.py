"""The cached activations are those of the network, whole, and tied to what made them."""

import io
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import onnx.parser
import openvino as ov
import pytest
from bases import MOBILENET, seeded_base
from damage import assert_noticed
from openvino import opset13 as opset
from PIL import Image

from thaw import parallel
from thaw.bundle import write_bundle
from thaw.errors import ThawError
from thaw.features import rows as rows_module
from thaw.features.extract import Engine, write_array
from thaw.features.fingerprint import check_fingerprint, write_nothing
from thaw.features.graph import Graph
from thaw.features.rows import Row, read_listing, shards
from thaw.features.stored import ACTIVATIONS_FILE, EMBEDDINGS_FILE, Features
from thaw.images import decode
from thaw.model.freeze import backbone_info
from thaw.model.network import as_graph, pool
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


ROWS = [Row(f"Cat/{n}.png", n % 2, "Cat", "train", n % 3, encoded(n)) for n in range(11)]


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
    monkeypatch.setattr(rows_module, "SHARD_SIZE", 4)
    return tmp_path / "features"


def embed(folder, graph, pooling="average", rows=ROWS):
    fingerprint = graph.info.fingerprint("squash", "float32", "float32", pooling=pooling)
    engine = Engine(graph.embedder(pooling), "float32", "float32")
    write_array(folder / EMBEDDINGS_FILE, rows, engine, fingerprint, Path("embedding"))


def extract(folder, graph, freeze_till, resize="squash", rows=ROWS):
    cut = graph.info.cut(freeze_till)
    fingerprint = graph.info.fingerprint(resize, "float32", "float32", cut=cut)
    if cut == graph.info.layers:
        write_nothing(folder, fingerprint)
    else:
        engine = Engine(graph.prefix(cut), "float32", "uint8" if cut <= 1 else "float32")
        write_array(folder / ACTIVATIONS_FILE, rows, engine, fingerprint, Path("checkpoint"))


def write(folder, graph, freeze_till, pooling="average"):
    """Both folders, opened."""
    embed(folder.with_name("embeddings"), graph, pooling)
    extract(folder, graph, freeze_till)
    return Features.open(folder.with_name("embeddings"), folder)


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


def test_shards_of_large_images_have_fewer_rows(monkeypatch):
    monkeypatch.setattr(parallel, "BATCH_BYTES", sum(len(row.data) for row in ROWS[:3]))
    found = list(shards(ROWS))
    assert max(len(shard.rows) for shard in found) == 3
    assert [row for shard in found for row in shard.rows] == ROWS
    assert all(shard.rows[0] == ROWS[shard.start] for shard in found)


@pytest.mark.parametrize("label", ["NA", "None", "null", "1"])
def test_a_class_of_any_name_is_read_as_it_was_written(folder, label):
    [shard] = shards([Row("a.png", 0, label, "train", 0, b"")])
    folder.mkdir()
    shard.listing().to_csv(folder / "rows.csv", index=False)
    assert read_listing(folder)["label"].tolist() == [label]


def test_with_everything_frozen_no_activations_are_computed_and_a_file_says_so(folder, graph):
    assert write(folder, graph, "all").activations is None
    [said] = folder.iterdir()
    assert "the entire base is frozen" in said.read_text()


def test_with_nothing_frozen_the_images_themselves_are_kept(folder, graph):
    written = write(folder, graph, 0)
    assert written.activations.dtype == np.uint8
    np.testing.assert_array_equal(written.activations, images())


def test_a_prefix_runs_only_the_layers_up_to_its_cut(graph):
    sizes = [len(graph.prefix(graph.info.cut(n)).get_ops()) for n in (0, 60, 120)]
    assert sizes == sorted(sizes) and sizes[1] < 0.6 * sizes[2]
    assert sizes[2] < len(graph.embedder("average").get_ops())


@pytest.mark.parametrize("threads", [1, 3])
def test_the_bits_do_not_depend_on_the_number_of_threads(folder, graph, monkeypatch, threads):
    expected = write(folder, graph, 60)
    core, config = ov.Core, {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}

    def with_threads():
        made = core()
        made.set_property("CPU", config)
        return made

    monkeypatch.setattr("thaw.runtime.ov.Core", with_threads)
    monkeypatch.setattr("thaw.features.extract.cores", lambda: threads)
    found = write(folder, graph, 60)
    np.testing.assert_array_equal(found.embeddings, expected.embeddings)
    np.testing.assert_array_equal(found.activations, expected.activations)


def test_embeddings_and_activations_of_other_rows_are_refused(folder, graph):
    write(folder, graph, 60)
    extract(folder, graph, 60, rows=ROWS[:-1])
    with pytest.raises(ThawError, match=r"features must match .* has rows .*dvc repro"):
        Features.open(folder.with_name("embeddings"), folder)


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_training_and_serving_see_the_same_pixels(folder, graph, resize):
    extract(folder, graph, 0, resize)
    kept = np.load(folder / ACTIVATIONS_FILE)
    manifest = {"image_size": 32, "precision": "float32", "resize": resize}
    x = onnx.parser.parse_model(IDENTITY).SerializeToString()
    write_bundle(folder.with_name("bundle"), x, ["Cat"], manifest)
    predictor = Predictor(folder.with_name("bundle"))
    served = np.stack([predictor.decode(row.data) for row in ROWS])
    np.testing.assert_array_equal(kept, served)
    assert np.array_equal(served, images()) == (resize == "squash")


def test_a_bundle_that_does_not_say_squashes(folder):
    x = onnx.parser.parse_model(IDENTITY).SerializeToString()
    write_bundle(folder, x, ["Cat"], {"image_size": 32, "precision": "float32"})
    predictor = Predictor(folder)
    assert np.array_equal(predictor.decode(ROWS[0].data), decode(ROWS[0].data, 32))


class Killed(Engine):
    """Is killed when it gives its third shard, and counts the images that it is given."""

    calls: ClassVar[list[int]] = []

    def run(self, items, to_image):
        self.calls.append(len(items))
        values = super().run(items, to_image)
        return self.killed() if len(self.calls) == 3 else values

    def killed(self):
        raise KeyboardInterrupt
        yield


@pytest.fixture
def killed(folder, graph, monkeypatch):
    """A folder whose writing was killed at the third shard, beside one that is whole."""
    extract(folder, graph, 60)
    monkeypatch.setattr(Killed, "calls", [])
    monkeypatch.setitem(globals(), "Engine", Killed)
    with pytest.raises(KeyboardInterrupt):
        extract(folder.with_name("killed"), graph, 60)
    assert not folder.with_name("killed").exists()
    return folder.with_name("killed")


def same(one, other):
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def test_a_killed_run_keeps_its_shards_and_ends_with_the_same_bytes(folder, graph, killed):
    extract(killed, graph, 60)
    assert Killed.calls == [4, 4, 3, 3]
    assert same(killed, folder)
    assert not Path("checkpoint").exists()


def test_shards_of_other_rows_are_computed_again(folder, graph, killed):
    rows = [*ROWS[:5], replace(ROWS[5], data=encoded(99)), *ROWS[6:]]
    extract(killed, graph, 60, rows=rows)
    assert Killed.calls == [4, 4, 3, 4, 3]
    extract(folder, graph, 60, rows=rows)
    assert same(killed, folder)


@pytest.mark.parametrize("name", ["activations.npy", "activations.shards"])
def test_damaged_shards_are_computed_again(folder, graph, killed, name):
    path = Path("checkpoint", name)
    whole = path.read_bytes()
    for content in (b"", whole[:-30], whole[:200] + bytes(len(whole) - 200)):
        path.write_bytes(content)
    extract(killed, graph, 60)
    assert same(killed, folder)


def test_damaged_features_are_named(folder, graph):
    write(folder, graph, 60)
    embedded = folder.with_name("embeddings")
    for path in (
        *(embedded / name for name in ("embeddings.npy", "rows.csv", "fingerprint.json")),
        folder / "fingerprint.json",
    ):
        assert_noticed(path, lambda: Features.open(embedded, folder))


def test_rows_that_are_not_those_of_the_arrays_are_noticed(folder, graph):
    write(folder, graph, 60)
    embedded = folder.with_name("embeddings")
    rows, whole = embedded / "rows.csv", (embedded / "rows.csv").read_text()
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
            Features.open(embedded, folder)


def test_a_damaged_base_is_named(graph, tmp_path):
    graph.write(tmp_path / "base")
    for name in ("info.json", "graph.xml", "graph.bin"):
        path = tmp_path / "base" / name
        for content in (b"", path.read_bytes()[:100]):
            path.write_bytes(content)
            with pytest.raises(ThawError, match=r"/base must be as .* delete it and run `dvc"):
                Graph.open(tmp_path / "base")
        graph.write(tmp_path / "base")


def test_a_damaged_model_of_a_bundle_is_named(folder):
    write_bundle(folder, b"model", ["Cat"], {"image_size": 32, "precision": "float32"})
    with pytest.raises(ThawError, match=r"model\.onnx must be as the pipeline wrote it"):
        Predictor(folder)


def test_activations_that_do_not_fit_float16_are_refused():
    x = opset.parameter([-1, 32, 32, 3], np.uint8)
    large = ov.Model([opset.multiply(opset.convert(x, np.float32), np.float32(1e6))], [x])
    with pytest.raises(ThawError, match=r"float16.*compute\.cache_dtype"):
        list(Engine(large, "float32", "float16").run(images()))
    assert np.stack(list(Engine(large, "float32", "float32").run(images()))).max() > 1e8


def test_another_cut_or_other_weights_are_refused_by_name(folder, graph):
    written = write(folder, graph, 60)
    other = backbone_info(seeded_base(MOBILENET, seed=2))
    expected = other.fingerprint("squash", "float32", "float32", cut=other.cut(100))
    with pytest.raises(ThawError, match=r"has weights .* cut") as refused:
        check_fingerprint(expected, written.fingerprint, "data/features")
    assert "dvc repro" in str(refused.value)
