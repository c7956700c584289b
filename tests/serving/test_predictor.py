"""Several images at once give the bits of one at a time, in order, on any number of cores."""

import os
import subprocess
import sys

import numpy as np
import pytest
from bases import MOBILENET, seeded_split
from PIL import Image

from thaw.bundle import write_bundle
from thaw.errors import ThawError
from thaw.evaluate.predictions import predict
from thaw.features.head import DenseHead
from thaw.image_limits import UnusableImage
from thaw.model.classifier_onnx import classifier_onnx
from thaw.model.to_onnx import base_to_onnx
from thaw.sample.generate import draw, encode
from thaw.serving.predictor import AHEAD, Predictor

SIDE = 128
ON_CORES = """
import os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
import numpy as np
from thaw.serving.predictor import Predictor

predictor, images = Predictor("bundle", requests=int(sys.argv[2])), np.load("images.npy")
found = predictor.predict(images)
np.savez("found.npz", *found)
for image, probabilities, heatmaps in zip(images, *found[:2]):
    lone = predictor(image)
    np.testing.assert_array_equal(np.float32(list(lone.probabilities.values())), probabilities)
    np.testing.assert_array_equal(lone.heatmap(predictor.labels[1]), heatmaps[1])
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A folder with a bundle of the sample's base and a head with random weights."""
    folder = tmp_path_factory.mktemp("serving")
    changes = {"image_size": SIDE, "alpha": 0.25, "weights": "sample"}
    base = MOBILENET.model_copy(update=changes)
    parts = seeded_split(base, "all", "average", seed=4)
    head = DenseHead.initial([parts.embedding_size, 2], seed=4)
    onnx = classifier_onnx(base_to_onnx(parts.base, "MobileNetV2"), head, "average")
    manifest = {"precision": "float32", "image_size": SIDE}
    write_bundle(folder / "bundle", onnx, ["Cat", "Dog"], manifest)
    return folder / "bundle"


@pytest.fixture(scope="module")
def encoded():
    """Drawings and noise, as files of several sizes."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (40 + k, 60, 3), dtype=np.uint8) for k in range(6)]
    drawn = [encode(draw(0, ("Cat", "Dog")[k % 2], k)) for k in range(6)]
    return [*drawn, *(encode(Image.fromarray(pixels)) for pixels in noise)]


def alone(bundle, encoded):
    """The probabilities and heatmaps of one image at a time."""
    predictor = Predictor(bundle)
    answers = [predictor.predict(predictor.decode(data)[None]) for data in encoded]
    return [np.concatenate(values) for values in zip(*answers, strict=True)]


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_files_at_once_give_the_bits_of_one_at_a_time_in_order(bundle, encoded, requests):
    probabilities, heatmaps, *_ = alone(bundle, encoded)
    many = 10  # times the files, more than are read ahead
    assert many * len(encoded) > 3 * AHEAD
    answers = Predictor(bundle, requests).predict_each(iter(encoded * many))
    found = [np.stack(values) for values in zip(*answers, strict=True)]
    np.testing.assert_array_equal(found[0], np.tile(probabilities, (many, 1)))
    np.testing.assert_array_equal(found[1], np.tile(heatmaps, (many, 1, 1, 1)))
    assert len(np.unique(probabilities[:, 0])) == len(encoded)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process")
@pytest.mark.parametrize(("cores", "requests"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_the_bits_do_not_depend_on_the_cores(bundle, encoded, cores, requests):
    expected, folder = alone(bundle, encoded), bundle.parent
    np.save(folder / "images.npy", np.stack([Predictor(bundle).decode(file) for file in encoded]))
    command = [sys.executable, "-c", ON_CORES, str(cores), str(requests)]
    subprocess.run(command, cwd=folder, check=True)
    with np.load(folder / "found.npz") as found:
        for array, other in zip(found.values(), expected, strict=True):
            np.testing.assert_array_equal(array, other)


def test_few_files_are_read_ahead(bundle, encoded):
    read = []
    files = (read.append(k) or encoded[k % len(encoded)] for k in range(10 * AHEAD))
    for count, _ in enumerate(Predictor(bundle, 2).predict_each(files), 1):
        assert len(read) <= count + 2 * AHEAD


def test_a_file_that_is_no_image_gives_its_error_and_the_others_their_answers(bundle, encoded):
    first, second, third = Predictor(bundle, 2).predict_each([encoded[0], b"text", encoded[1]])
    assert isinstance(second, UnusableImage) and second.reason == "not an image"
    np.testing.assert_array_equal(np.stack([first[0], third[0]]), alone(bundle, encoded[:2])[0])


def test_evaluation_names_the_image_that_cannot_be_decoded(bundle, encoded):
    rows = [{"name": f"{k}.jpg", "label": "Cat", "bytes": data} for k, data in enumerate(encoded)]
    rows[3]["bytes"] = encoded[3][:200]
    split = {row["name"]: "test" for row in rows}
    with pytest.raises(ThawError, match=r"^3\.jpg: an image must be .* truncated"):
        predict(Predictor(bundle, 2), rows, split)


AT_ONCE = """
import sys
from thaw.serving.predictor import Predictor

sys.setswitchinterval(1e-6)
image = open("image.png", "rb").read()
print(len(list(Predictor("bundle", requests=2).predict_each([image] * 8))))
"""


@pytest.mark.parametrize("attempt", range(3))
def test_the_first_images_of_a_process_do_not_wait_for_each_other(bundle, encoded, attempt):
    (bundle.parent / "image.png").write_bytes(encoded[0])
    command = [sys.executable, "-c", AT_ONCE]
    found = subprocess.run(
        command, cwd=bundle.parent, capture_output=True, check=True, timeout=60, text=True
    )
    assert found.stdout == "8\n"
