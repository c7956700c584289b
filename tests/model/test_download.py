"""ImageNet weights through Keras' own download, from a server on loopback."""

import http.server
import socket
import threading
from functools import partial

import h5py
import numpy as np
import pytest
from bases import MOBILENET, seeded_base, smallest
from keras.src.applications import mobilenet_v2, vgg16
from keras.src.backend import config
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from thaw.errors import ThawError
from thaw.model.base import load_base

NAME = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"


class Handler(http.server.SimpleHTTPRequestHandler):
    """A folder, or a server that hangs up."""

    def send_head(self):
        return None if self.path.startswith("/hangs-up/") else super().send_head()

    def log_message(self, *_):
        pass


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder in which Keras keeps weights; it is given as users give it, from `~`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(config, "_KERAS_DIR", "~/keras")  # set from KERAS_HOME at import
    (tmp_path / "keras").mkdir()
    return tmp_path / "keras/models"


@pytest.fixture
def served(kept, tmp_path, monkeypatch):
    """A folder that a server offers, from which Keras now fetches."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", address)
        monkeypatch.setattr(vgg16, "WEIGHTS_PATH_NO_TOP", f"{address}vgg16.h5")
        yield folder
        server.shutdown()
        thread.join()


IMAGENET = MOBILENET.model_copy(update={"weights": "imagenet", "image_size": 96})


def refusal(settings=IMAGENET):
    with pytest.raises(ThawError) as caught:
        load_base(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def save_weights(path):
    """Some weights as the files of ImageNet are: an HDF5 file of the old layout."""
    base = seeded_base(IMAGENET.model_copy(update={"weights": "none"}), seed=6)
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, base)
    return base.get_weights()


def same(network, expected):
    weights = network.get_weights()
    return all(np.array_equal(one, other) for one, other in zip(weights, expected, strict=True))


def test_the_weights_are_the_ones_downloaded_and_are_kept(served, kept):
    expected = save_weights(served / NAME)
    assert same(load_base(IMAGENET), expected)
    (served / NAME).unlink()
    assert same(load_base(IMAGENET), expected)
    assert [path.name for path in kept.iterdir()] == [NAME]


@pytest.mark.parametrize("failure", ["404", "refused", "hangs up"])
def test_a_failed_download_shows_what_keras_says_and_what_to_do(
    failure, served, kept, monkeypatch, tmp_path
):
    address = mobilenet_v2.BASE_WEIGHT_PATH
    if failure == "refused":
        with socket.create_server(("127.0.0.1", 0)) as unused:
            address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    elif failure == "hangs up":
        address += "hangs-up/"
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", address)
    message = refusal()
    assert f"{address}{NAME}" in message or failure == "hangs up"
    assert "set base.weights to its path" in message
    path = tmp_path / "fetched.h5"
    expected = save_weights(path)
    assert same(load_base(IMAGENET.model_copy(update={"weights": str(path)})), expected)


def test_a_download_with_another_hash_is_refused(served):
    (served / "vgg16.h5").write_bytes(b"not what it should be")
    message = refusal(smallest("VGG16").model_copy(update={"weights": "imagenet"}))
    assert "corrupted" in message


def test_a_damaged_file_that_keras_has_kept_may_be_deleted(served, kept):
    expected = save_weights(served / NAME)
    content = (served / NAME).read_bytes()
    (served / NAME).write_bytes(content[: len(content) // 2])
    message = refusal()
    (served / NAME).write_bytes(content)
    assert refusal() == message  # Keras has kept it
    assert "delete it from the folder models in KERAS_HOME" in message
    (kept / NAME).unlink()
    assert same(load_base(IMAGENET), expected)


def test_a_width_without_imagenet_weights_is_refused_in_keras_words():
    message = refusal(IMAGENET.model_copy(update={"alpha": 0.25}))
    assert "alpha must be one of `0.35`" in message
