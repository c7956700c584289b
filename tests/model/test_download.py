"""ImageNet weights through Keras' own download, from a server on loopback."""

import http.server
import threading
from functools import partial

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


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that a server offers, from which Keras now fetches."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras").mkdir()
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path / "keras"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", address)
        monkeypatch.setattr(vgg16, "WEIGHTS_PATH_NO_TOP", f"{address}vgg16.h5")
        yield folder
        server.shutdown()
        thread.join()


def save_weights(path):
    """Some weights as the files of ImageNet are: an HDF5 file of the old layout."""
    keras.utils.set_random_seed(6)
    base = build("MobileNetV2", "none", 96, 0.35)
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, base)
    return base.get_weights()


def same(left, right):
    return all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


def test_the_weights_are_the_ones_downloaded_and_are_kept(served):
    expected = save_weights(served / NAME)
    assert same(build("MobileNetV2", "imagenet", 96, 0.35).get_weights(), expected)
    (served / NAME).unlink()
    assert same(build("MobileNetV2", "imagenet", 96, 0.35).get_weights(), expected)


def test_a_failed_download_says_which_file_goes_where_and_there_it_is_found(served, tmp_path):
    with pytest.raises(ThawError) as refused:
        build("MobileNetV2", "imagenet", 96, 0.35)
    message = str(refused.value)
    folder = tmp_path / "keras/models"
    assert f"/{NAME}: put that file into {folder}" in message and "\n" not in message
    expected = save_weights(folder / NAME)
    assert same(build("MobileNetV2", "imagenet", 96, 0.35).get_weights(), expected)


def test_a_download_with_another_hash_is_refused(served):
    (served / "vgg16.h5").write_bytes(b"not what it should be")
    with pytest.raises(ThawError, match=r"VGG16 cannot load ImageNet weights: .*corrupted"):
        build("VGG16", "imagenet", 32)
