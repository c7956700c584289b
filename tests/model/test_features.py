"""The cached activations are those of the network, whole, and tied to what made them."""

import io

import numpy as np
import pytest
from PIL import Image

from thaw.data.images import decode
from thaw.errors import ThawError
from thaw.model import features
from thaw.model.features import Features, Row, check_fingerprint, fingerprint, write_features
from thaw.model.network import take_apart
from thaw.params import Base


def encoded(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


ROWS = [Row(f"Cat/{n}.png", n % 2, "Cat", "train", encoded(n)) for n in range(11)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features, "SHARD", 4)
    return tmp_path / "features"


def write(folder, freeze_till, cache="float32", rows=ROWS, name="MobileNetV2", alpha=0.35):
    parts = take_apart(Base(name, alpha, "none", None, 32), freeze_till, "average", seed=1)
    made_with = fingerprint(parts, "float32", cache)
    write_features(folder, lambda: iter(rows), parts, made_with, workers=2)
    return parts, Features.open(folder)


@pytest.mark.parametrize("freeze_till", [60, "all"])
def test_activations_are_what_the_network_computes_for_the_decoded_picture(folder, freeze_till):
    parts, written = write(folder, freeze_till)
    pictures = np.stack([decode(row.data, 32) for row in ROWS])
    np.testing.assert_allclose(written.activations, parts.front(pictures), atol=1e-5)
    assert list(written.rows["name"]) == [row.name for row in ROWS]
    assert list(written.rows["view"]) == [row.view for row in ROWS]


def test_with_nothing_frozen_the_pictures_themselves_are_kept(folder):
    _, written = write(folder, 0)
    assert written.activations.dtype == np.uint8
    np.testing.assert_array_equal(written.activations[3], decode(ROWS[3].data, 32))


def test_a_killed_run_keeps_its_shards_and_ends_with_the_same_bytes(folder, monkeypatch):
    write(folder, 60)
    expected = (folder / "activations.npy").read_bytes()
    run, calls = features._run, []

    def run_twice(*arguments):
        calls.append(len(arguments[1]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(features, "_run", run_twice)
    other = folder.with_name("other")
    with pytest.raises(KeyboardInterrupt):
        write(other, 60)
    assert not other.exists()
    write(other, 60)
    assert calls == [4, 4, 3, 3]
    assert (other / "activations.npy").read_bytes() == expected
    assert not list((folder.parent / ".thaw/features").iterdir())


def test_activations_that_do_not_fit_float16_are_refused(monkeypatch):
    class Large:
        def __call__(self, batch):
            return [np.full((len(batch), 3), 1e6, np.float32)]

    with pytest.raises(ThawError, match=r"float16.*compute\.cache"):
        features._run(Large(), np.zeros((5, 32, 32, 3), np.uint8), "float16")


def test_another_cut_or_other_weights_are_refused_by_name(folder):
    _, written = write(folder, 60)
    parts = take_apart(Base("MobileNetV2", 0.35, "none", None, 32), 100, "average", seed=2)
    with pytest.raises(ThawError, match=r"has weights .* cut") as refused:
        check_fingerprint(
            fingerprint(parts, "float32", "float32"), written.fingerprint, "data/features"
        )
    assert "dvc repro" in str(refused.value)
