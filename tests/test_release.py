"""What a release is: a wheel and an sdist that install and serve in an empty environment."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from project import ROOT
from running_server import running
from small_bundle import save_colours, write_colours


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with both, built from a copy, because building leaves files behind."""
    folder = tmp_path_factory.mktemp("release")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "source/src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source" / name)
    call(sys.executable, "-m", "build", "--outdir", folder, folder / "source")
    return folder


def call(*command, **more):
    """The output of a command that finds nothing of this process's Python."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_and_sdist_have_the_same_package_and_its_data(built):
    [wheel], [sdist] = built.glob("thaw-*.whl"), built.glob("thaw-*.tar.gz")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("thaw/")}
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/src/")[2] for name in archive.getnames()}
    source = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/thaw").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == source
    assert names <= inside


def test_the_wheel_predicts_and_serves_in_an_empty_environment(built, tmp_path):
    [wheel] = built.glob("thaw-*.whl")
    call(sys.executable, "-m", "venv", tmp_path / "venv")
    pip = [tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    call(*pip, "-c", ROOT / "requirements.txt", f"{wheel}[serve]")
    write_colours(tmp_path / "bundle")
    image = save_colours(tmp_path / "images", 1)[0]
    thaw = tmp_path / "venv/bin/thaw"
    lines = call(thaw, "predict", image, "--bundle", tmp_path / "bundle", "--json", cwd=tmp_path)
    assert json.loads(lines)["label"] == image.parent.name
    command = ["serve", "--port", "0", "--bundle", str(tmp_path / "bundle")]
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with running(command, tmp_path, thaw, clean) as server:
        answer = server.post(data=image.read_bytes(), headers={"Content-Type": "image/png"})
        assert answer.json()["label"] == image.parent.name
        assert server.stop() == 0
