"""What serving installs: the package without extras, which is small and classifies an image."""

import io
import os
import shutil
import subprocess
import sys

import onnx.parser
import pytest
from PIL import Image
from project import ROOT
from small_bundle import write_colours

from thaw.bundle import write_bundle

LARGEST = 350_000_000  # bytes of site-packages; most of them are OpenVINO's
NOT_IN_THE_CORE = (  # pydantic is, because Typer requires it
    *("dvc", "joblib", "keras", "matplotlib", "onnx", "pandas", "pyarrow", "ruamel", "scipy"),
    *("sklearn", "tensorflow", "tf2onnx", "yaml"),
)
INSTALLED = """
import importlib.util
import sys

print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])
"""
BRIGHTNESS = """
<ir_version: 9, opset_import: ["": 18]>
brightness (uint8[N, 32, 32, 3] images) => (float[N, 2] probabilities, float[N, 2, 4, 4] heatmaps)
<float slope = {-0.0625}, float middle = {127.5}, int64[3] all = {1, 2, 3}, int64[1] column = {1},
 int64[2] sides = {2, 3}, int64[4] tiles = {1, 1, 4, 4}> {
  pixels = Cast <to = 1> (images)
  mean = ReduceMean <keepdims = 0> (pixels, all)
  means = Unsqueeze (mean, column)
  dark = Sub (middle, means)
  bright = Mul (dark, slope)
  scores = Concat <axis = 1> (dark, bright)
  probabilities = Softmax <axis = 1> (scores)
  points = Unsqueeze (probabilities, sides)
  heatmaps = Tile (points, tiles)
}
"""
CLASSIFY = """
import sys
from thaw.serving.predictor import Predictor

predictor = Predictor("bundle")
with open("image.png", "rb") as stream:
    image = predictor.decode(stream.read())
probabilities, heatmaps, *_ = predictor.predict(image[None])
print(predictor.labels[probabilities[0].argmax()], probabilities.shape, heatmaps.shape)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with the package in it, installed without extras."""
    folder = tmp_path_factory.mktemp("core")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    source = folder / "source"  # a copy, because building leaves files behind
    shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    # With PYTHONPATH, pip would count what it finds there as installed.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "-c", ROOT / "requirements-serve.txt", source], check=True, env=clean)
    return folder / "venv"


def call(environment, *command, cwd=None, expect=0):
    """The output of a program of that environment; its error output if it is to fail."""
    program = environment / "bin" / command[0]
    # Nothing of this process's environment, such as PYTHONPATH, reaches the program.
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(environment)}
    done = subprocess.run(
        [program, *command[1:]], env=clean, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return (done.stderr if expect else done.stdout).strip()


def test_the_core_is_small(environment):
    files = (path for path in environment.rglob("site-packages/**/*") if not path.is_symlink())
    assert sum(path.stat().st_size for path in files if path.is_file()) <= LARGEST


def test_the_core_has_no_training_and_no_tables(environment):
    assert call(environment, "python", "-c", INSTALLED, *NOT_IN_THE_CORE) == "[]"
    assert call(environment, "python", "-c", INSTALLED, "openvino", "yaml") == "['openvino']"


def test_the_command_shows_its_help(environment, tmp_path):
    assert "verify" in call(environment, "thaw", "--help", cwd=tmp_path)


@pytest.mark.parametrize(("command", "package"), [("use sample", "ruamel"), ("verify", "yaml")])
def test_a_command_that_needs_more_says_so_in_one_line(environment, tmp_path, command, package):
    write_colours(tmp_path / "models/bundle")
    (tmp_path / "dvc.lock").write_text("stages: {}")
    [line] = call(environment, "thaw", *command.split(), cwd=tmp_path, expect=1).splitlines()
    assert f"needs the package {package}" in line


@pytest.mark.parametrize("colour", ["black", "white"])
def test_the_core_classifies_an_image(environment, tmp_path, colour):
    model = onnx.parser.parse_model(BRIGHTNESS)
    manifest = {"image_size": 32, "precision": "float32"}
    labels = ["black", "white"]
    write_bundle(tmp_path / "bundle", model.SerializeToString(), labels, manifest)
    stream = io.BytesIO()
    Image.new("RGB", (50, 40), colour).save(stream, "png")
    (tmp_path / "image.png").write_bytes(stream.getvalue())
    found = call(environment, "python", "-c", CLASSIFY, cwd=tmp_path)
    assert found == f"{colour} (1, 2) (1, 2, 4, 4)"


def test_the_core_describes_verifies_packs_and_opens_bundles(environment, tmp_path):
    write_colours(tmp_path / "models/bundle")
    for words, message in (
        ("bundle info", "3: red, green, blue"),
        ("bundle verify", "4 parts are undamaged"),
        ("bundle pack", ""),
        ("bundle verify bundle.zip", "4 parts are undamaged"),
    ):
        assert message in call(environment, "thaw", *words.split(), cwd=tmp_path)
    load = "from thaw.serving.predictor import Predictor; print(Predictor('bundle.zip').labels)"
    assert call(environment, "python", "-c", load, cwd=tmp_path) == "['red', 'green', 'blue']"
    command = ("thaw", "bundle", "info", "s3://pets/bundle")
    [line] = call(environment, *command, cwd=tmp_path, expect=1).splitlines()
    assert "No module named 'fsspec'" in line and "pip install 'thaw[s3]'" in line
