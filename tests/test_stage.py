"""A stage finds its checkpoints again, removes what nobody can use, and fails in one line."""

import os
import subprocess
import sys

import pytest
from project import ROOT

from thaw.errors import ThawError
from thaw.params import load
from thaw.stage import StageParams, checkpoint_dir

PARAMS = load(ROOT / "params.yaml")

PIPELINE = """
stages:
  train:
    cmd: python stages/train.py
    deps: [stages/train.py, src/part.py, data/features]
    params: [seed, train.dropout]
    outs: [models/model.keras]
    metrics: [{metrics/train.json: {cache: false}}]
  other:
    cmd: python stages/other.py
    deps: [stages/train.py]
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for path in ("stages/train.py", "src/part.py"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text("1")
    return tmp_path


def checkpoint(stage, **fingerprint):
    """The directory, with something in it."""
    directory = checkpoint_dir(stage, fingerprint)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "latest.npz").touch()
    return directory


def test_the_same_work_finds_its_checkpoint_and_other_settings_do_not(project):
    first = checkpoint("train", cut=144, dropout=0.3)
    assert checkpoint_dir("train", {"dropout": 0.3, "cut": 144}) == first
    assert checkpoint("train", cut=144, dropout=0.2) != first
    assert first.exists()  # to be resumed when the setting is changed back


def test_checkpoints_of_other_code_are_removed_but_not_those_of_other_stages(project):
    train, other = checkpoint("train", cut=1), checkpoint("other", cut=1)
    (project / "src/part.py").write_text("2")
    assert checkpoint("train", cut=1) != train
    assert not train.exists() and other.exists()


def run(project, body, expect=0):
    """Run a stage script with that body of `main`; its output."""
    script = "import gc\ngc.disable()\nfrom thaw.stage import run\n"
    script += f"def main(params):\n    {body}\nrun('train', main)\n"
    (project / "stages/train.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "stages/train.py"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == expect, done.stderr
    return done.stderr


def test_a_stage_removes_the_temporaries_of_its_own_outs(project):
    names = (
        "models/.model.keras.abcdefgh.tmp",
        "metrics/.train.json.a_345678.tmp",
        "models/.b.abcdefgh.tmp",
    )
    for name in names:
        (project / name).mkdir(parents=True)
    run(project, "pass")
    assert [(project / name).exists() for name in names] == [False, False, True]


def test_collection_runs_and_leaves_out_what_was_imported(project):
    run(project, "assert gc.isenabled() and gc.get_freeze_count() > 1000")


def test_an_undeclared_param_is_one_line(project):
    error = run(project, "params.train.batch_size", expect=1)
    assert "error in train: this stage reads train.batch_size" in error
    assert "Traceback" not in error


def test_params_that_change_while_a_stage_runs_fail_it(project):
    change = "import pathlib; p = pathlib.Path('params.yaml');"
    change += " p.write_text(p.read_text().replace('dropout: 0.3', 'dropout: 0.4'))"
    assert "params.yaml changed while train ran" in run(project, change, expect=1)


def test_every_wrong_param_is_a_line_of_its_own(project):
    text = (project / "params.yaml").read_text()
    text = text.replace("dropout: 0.3", "dropout: 3").replace("patience: 5", "patience: x")
    (project / "params.yaml").write_text(text)
    error = run(project, "pass", expect=1)
    assert [line.split("error in train: ")[1] for line in error.splitlines()] == [
        "train.dropout must be less than 1, but is 3",
        "train.patience must be a whole number, but is 'x'",
    ]


def test_a_full_disk_is_one_line(project):
    [line] = run(project, "open('/dev/full', 'w').write('x' * 10**6)", expect=1).splitlines()
    assert "the disk must have space" in line and "No space left on device" in line


@pytest.mark.parametrize("content", ["", "stages: [", "stages: []", "stages: {other: {}}"])
def test_a_damaged_pipeline_is_one_line(project, content):
    run(project, "pass")
    (project / "dvc.yaml").write_text(content)
    [line] = run(project, "pass", expect=1).splitlines()
    assert "dvc.yaml must be as" in line and "git checkout dvc.yaml" in line


def test_an_error_that_is_not_of_the_disk_keeps_its_traceback(project):
    assert "Traceback" in run(project, "open('nowhere/at/all')", expect=1)


def test_a_stage_is_given_what_it_declares_and_nothing_else():
    params = StageParams(PARAMS, frozenset({"train.fine_tune_epochs", "split"}))
    assert params.train.fine_tune_epochs == PARAMS.train.fine_tune_epochs
    assert params.split.val == PARAMS.split.val
    with pytest.raises(ThawError, match=r"reads train\.dropout, which dvc\.yaml does not list"):
        _ = params.train.dropout
    with pytest.raises(ThawError, match="reads seed"):
        _ = params.seed


def test_a_stage_can_list_what_it_declares():
    params = StageParams(PARAMS, frozenset({"train.dropout", "split", "seed"}))
    assert params.values() == {
        "seed": PARAMS.seed,
        "split": PARAMS.split,
        "train.dropout": PARAMS.train.dropout,
    }
