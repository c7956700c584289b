"""ImageNet weights through Keras' own download, from a server on loopback."""

import http.server
import re
import socket
import threading
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v2, vgg16
from keras.src.backend import config
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from thaw.errors import ThawError
from thaw.model.backbones import build

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


def small():
    return build("MobileNetV2", "imagenet", 96, 0.35)


def refusal(network=small):
    with pytest.raises(ThawError) as caught:
        network()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def save_weights(path):
    """Some weights as the files of ImageNet are: an HDF5 file of the old layout."""
    keras.utils.set_random_seed(6)
    base = build("MobileNetV2", "none", 96, 0.35)
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, base)
    return base.get_weights()


def same(network, expected):
    weights = network.get_weights()
    return all(np.array_equal(one, other) for one, other in zip(weights, expected, strict=True))


def test_the_weights_are_the_ones_downloaded_and_are_kept(served, kept):
    expected = save_weights(served / NAME)
    assert same(small(), expected)
    (served / NAME).unlink()
    assert same(small(), expected)
    assert [path.name for path in kept.iterdir()] == [NAME]


@pytest.mark.parametrize("failure", ["404", "refused", "hangs up"])
def test_a_failed_download_says_which_file_goes_where_and_there_it_is_found(
    failure, served, kept, monkeypatch
):
    address = mobilenet_v2.BASE_WEIGHT_PATH
    if failure == "refused":
        with socket.create_server(("127.0.0.1", 0)) as unused:
            address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    elif failure == "hangs up":
        address += "hangs-up/"
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", address)
    message = refusal()
    assert message.count(f"{address}{NAME} ") == 1
    place = Path(re.search(r" at (.+), or set base\.weights", message)[1])
    assert place == kept / NAME
    expected = save_weights(place)
    assert same(small(), expected)
    assert same(build("MobileNetV2", str(place), 96, 0.35), expected)


def test_a_download_with_another_hash_is_refused_with_the_name_keras_looks_for(served, kept):
    (served / "vgg16.h5").write_bytes(b"not what it should be")
    message = refusal(partial(build, "VGG16", "imagenet", 32))
    assert "corrupted" in message and f"{vgg16.WEIGHTS_PATH_NO_TOP} " in message
    assert f" at {kept}/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5, " in message


def test_a_broken_file_that_keras_takes_without_a_hash_is_named_and_may_be_deleted(served, kept):
    expected = save_weights(served / NAME)
    whole = (served / NAME).read_bytes()
    (served / NAME).write_bytes(whole[: len(whole) // 2])
    message = refusal()
    (served / NAME).write_bytes(whole)
    assert refusal() == message  # Keras has kept it
    assert message.endswith(f": replace or delete {kept / NAME}")
    (kept / NAME).unlink()
    assert same(small(), expected)


def test_a_width_without_imagenet_weights_is_refused_in_keras_words():
    assert "alpha must be one of `0.35`" in refusal(
        partial(build, "MobileNetV2", "imagenet", 96, 0.25)
    )
