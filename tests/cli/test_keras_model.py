"""`thaw keras` writes what was trained as a Keras model."""

import subprocess
import sys

import numpy as np
from project import run

from thaw.serving.predictor import Predictor

LOAD = """
import sys, keras, numpy as np
np.save("keras.npy", keras.saving.load_model(sys.argv[1]).predict(np.load("images.npy"), verbose=0))
"""


def test_the_model_gives_the_probabilities_of_the_bundle(project, tmp_path):
    path = tmp_path / "model.keras"
    assert run(f"thaw keras {path} 2>{tmp_path}/errors", project) == ""  # it prints no result
    assert "is written" in (tmp_path / "errors").read_text()
    predictor = Predictor(project / "models/bundle")
    size = predictor.image_size
    images = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", LOAD, str(path)], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "keras.npy")
    np.testing.assert_allclose(found, predictor.predict(images)[0], atol=1e-5)


def test_what_cannot_be_written_is_one_line(project, tmp_path):
    assert run("thaw keras model.h5", project, expect=1).startswith("error: the file must be")
    for name in ("src", "dvc.yaml", "params.yaml"):
        (tmp_path / name).symlink_to(project / name)
    output = run("thaw keras", tmp_path, expect=1)
    assert "models/bundle has no bundle: make one with `dvc repro export`" in output
    assert len(output.splitlines()) == 1
