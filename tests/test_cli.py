"""`thaw use` and `thaw verify`, run as a user runs them."""

import shutil

import pytest
import yaml
from project import ROOT, run

from thaw.files import sha256_of


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "setups", tmp_path / "setups")
    shutil.copy(ROOT / "setups/sample.yaml", tmp_path / "params.yaml")
    (tmp_path / "src").symlink_to(ROOT / "src")
    return tmp_path


def params(folder):
    return yaml.safe_load((folder / "params.yaml").read_text())


def test_a_setup_prints_what_changes_and_going_back_restores_every_byte(folder):
    before = (folder / "params.yaml").read_bytes()
    output = run("thaw use mobilenetv2 train.epochs=3 train.learning_rate=0.00001", folder)
    assert 'base.weights: "sample" → "imagenet"' in output
    text = (folder / "params.yaml").read_text()
    assert "learning_rate: 0.00001" in text and "# average or flatten" in text
    assert params(folder)["train"]["epochs"] == 3
    assert params(folder)["data"]["source"].startswith("https://")
    run("thaw use sample", folder)
    assert (folder / "params.yaml").read_bytes() == before
    assert "nothing changed" in run("thaw use sample", folder)


@pytest.mark.parametrize("setup", ["sample", "vgg16", "mobilenetv2"])
def test_a_setup_decides_whatever_was_there_before(folder, setup):
    run("thaw use vgg16 train.epochs=7", folder)
    run(f"thaw use {setup}", folder)
    one = params(folder)
    run("thaw use mobilenetv2 seed=4", folder)
    run(f"thaw use {setup}", folder)
    assert params(folder) == one


def test_the_hash_of_a_weights_file_is_filled_in_and_leaves_with_it(folder):
    (folder / "some.h5").write_bytes(b"weights")
    run("thaw use mobilenetv2 base.weights=some.h5", folder)
    assert params(folder)["base"]["sha256"] == sha256_of(folder / "some.h5")
    run("thaw use mobilenetv2", folder)
    assert params(folder)["base"]["sha256"] is None


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ("nothing", "one of: mobilenetv2, sample, vgg16", 1),
        ("sample train.freze_till=3", "did you mean train.freeze_till", 1),
        ("sample train.epochs=many", "train.epochs must be int", 1),
        ("sample split.val=0.9", "leave room for train", 1),
        ("sample data.source=photos.zip", "there is no photos.zip", 1),
        ("mobilenetv2 base.weights=some.h5", "there is no some.h5", 1),
        ("sample train.epochs", "must be key=value", 2),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(folder, arguments, message, code):
    before = (folder / "params.yaml").read_bytes()
    output = run(f"thaw use {arguments}", folder, expect=code)
    assert message in " ".join(output.replace("│", " ").split())
    assert "Traceback" not in output
    assert (folder / "params.yaml").read_bytes() == before


def test_a_local_source_is_hashed_so_that_a_change_is_noticed(folder):
    (folder / "photos/Cat").mkdir(parents=True)
    (folder / "photos/Cat/1.jpg").write_bytes(b"one")
    run("thaw use sample data.source=photos", folder)
    first = params(folder)["data"]["sha256"]
    (folder / "photos/Cat/1.jpg").write_bytes(b"other")
    run("thaw use sample data.source=photos", folder)
    assert len(first) == 64 and params(folder)["data"]["sha256"] != first


def test_help_teaches(folder):
    assert "thaw use mobilenetv2 data.source=photos.zip" in " ".join(
        run("thaw use --help", folder).replace("│", " ").split()
    )
