"""What serving installs: the package without extras, which is small and classifies an image."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from project import ROOT
from small_bundle import save_colours, write_colours

LARGEST = 350_000_000  # bytes of site-packages; most of them are OpenVINO's
NOT_IN_THE_CORE = (  # pydantic is, because Typer requires it
    *("dvc", "keras", "matplotlib", "onnx", "pandas", "pyarrow", "ruamel", "scipy"),
    *("sklearn", "tensorflow", "tf2onnx", "yaml"),
)
INSTALLED = """
import importlib.util
import sys

print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])
"""
CLASSIFY = """
import thaw

print(thaw.load("bundle")("photos/red/3.png"))
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


@pytest.mark.parametrize(
    ("command", "package"), [("use sample", "ruamel"), ("verify", "yaml"), ("serve", "flask")]
)
def test_a_command_that_needs_more_says_so_in_one_line(environment, tmp_path, command, package):
    write_colours(tmp_path / "models/bundle")
    (tmp_path / "dvc.lock").write_text("stages: {}")
    [line] = call(environment, "thaw", *command.split(), cwd=tmp_path, expect=1).splitlines()
    assert f"needs the package {package}" in line


def test_the_core_classifies_in_python_and_by_the_command(environment, tmp_path):
    write_colours(tmp_path / "bundle")
    save_colours(tmp_path / "photos")
    found = call(environment, "python", "-c", CLASSIFY, cwd=tmp_path)
    assert found.startswith("<Prediction red: red 0.9")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(tmp_path / "photos/blue/3.png", "blue.png")
    command = ["thaw", "predict", "photos/red/3.png", "more.zip", "--bundle", "bundle"]
    header, red, blue = call(environment, *command, cwd=tmp_path).splitlines()
    assert header == "path,label,p_red,p_green,p_blue,unknown_score,abstain,error"
    assert red.startswith("photos/red/3.png,red,0.9") and blue.startswith("more.zip/blue.png,blue,")
    call(environment, *command, "-o", "out.jsonl", "--resume", "--explain", "seen", cwd=tmp_path)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    line = call(environment, *command, "-o", "out.parquet", cwd=tmp_path, expect=2)
    assert "pip install 'thaw[parquet]'" in line


def test_the_core_describes_verifies_packs_and_opens_bundles(environment, tmp_path):
    write_colours(tmp_path / "models/bundle")
    for words, message in (
        ("bundle info", "3: red, green, blue"),
        ("bundle verify", "4 parts are undamaged"),
        ("bundle pack", ""),
        ("bundle verify bundle.zip", "4 parts are undamaged"),
        ("publish bundle.zip --json", '"gate": null'),
    ):
        assert message in call(environment, "thaw", *words.split(), cwd=tmp_path)
    load = "from thaw.serving.predictor import Predictor; print(Predictor('bundle.zip').labels)"
    assert call(environment, "python", "-c", load, cwd=tmp_path) == "['red', 'green', 'blue']"
    command = ("thaw", "bundle", "info", "s3://pets/bundle")
    [line] = call(environment, *command, cwd=tmp_path, expect=1).splitlines()
    assert "No module named 'fsspec'" in line and "pip install 'thaw[s3]'" in line
