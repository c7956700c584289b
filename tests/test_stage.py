"""What an unfinished stage keeps is found again by the same work alone."""

import sys
from dataclasses import replace

import pytest

from thaw.params import Train, load
from thaw.stage import unfinished

PIPELINE = """
stages:
  train:
    cmd: python stages/train.py
    deps: [stages/train.py, src/part.py, data/features]
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/train.py"])
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    for path in ("stages/train.py", "src/part.py"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text("1")
    return tmp_path


def key(settings: Train) -> dict[str, object]:
    return {"features": {"cut": 144}, "train": {"seed": 4, "train": settings}}


@pytest.fixture(scope="module")
def settings(pytestconfig):
    return load(pytestconfig.rootpath / "params.yaml").train


def test_the_same_work_is_found_again(settings):
    assert unfinished(key(settings)) == unfinished(key(replace(settings)))


def test_other_settings_and_other_code_start_anew(project, settings):
    folders = [unfinished(key(settings)), unfinished(key(replace(settings, dropout=0.2)))]
    (project / "src/part.py").write_text("2")
    folders.append(unfinished(key(settings)))
    assert len(set(folders)) == 3
    assert {folder.parent.name for folder in folders} == {"train"}
