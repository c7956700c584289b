"""`thaw use` and `thaw verify`, run as a user runs them."""

import json
import shutil
import sys

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
    output = run(
        "thaw use mobilenetv2 train.fine_tune_epochs=3 train.fine_tune_learning_rate=0.00001",
        folder,
    )
    assert 'base.weights: "sample" → "imagenet"' in output
    text = (folder / "params.yaml").read_text()
    assert "fine_tune_learning_rate: 0.00001" in text and "# average or flatten" in text
    assert params(folder)["train"]["fine_tune_epochs"] == 3
    assert params(folder)["data"]["source"].startswith("https://")
    run("thaw use sample", folder)
    assert (folder / "params.yaml").read_bytes() == before
    assert "nothing changed" in run("thaw use sample", folder)


@pytest.mark.parametrize("setup", ["sample", "vgg16", "mobilenetv2"])
def test_a_setup_decides_whatever_was_there_before(folder, setup):
    run("thaw use vgg16 train.fine_tune_epochs=7", folder)
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
        ("nothing", "a setup must be one of mobilenetv2, photographs, sample, vgg16, but is", 1),
        ("sample train.freze_till=3", "did you mean train.freeze_till", 1),
        ("sample train.fine_tune_epochs=many", "epochs must be a whole number, but is 'many'", 1),
        ("sample train.dropout=.nan", "train.dropout must be a finite number", 1),
        ("sample 'train.dropout=[1'", "the value of train.dropout must be valid YAML", 1),
        ("sample split.val=0.9", "leave room for train", 1),
        ("sample nothing.dropout=1", "nothing.dropout is not a parameter", 1),
        ("sample seed.dropout=1", "seed.dropout is not a parameter; did you mean", 1),
        ("sample base.name=Nothing", "base.name must be one of VGG16", 1),
        ("sample base.name=VGG16", "base.alpha must be null for VGG16", 1),
        ("sample base.alpha=null", "base.alpha must be a number for MobileNetV2", 1),
        ("vgg16 base.name=Xception base.image_size=70", "must be 71 or more for Xception", 1),
        ("sample train.freeze_till=156", "at most the 155 layers of MobileNetV2", 1),
        ("vgg16 'augment.extra_views={Cat: 1}' data.classes=[Dog,Cow]", "must name classes of", 1),
        ("sample data.source=photos.zip", "photos.zip does not exist", 1),
        ("sample data.source='~nobody-here/photos'", "photos does not exist", 1),
        ("data.relabel=relabel.csv", "local CSV with columns name and label, but relabel.csv", 1),
        ("data.unknown=cars.zip", "data.unknown must be null, a URL, an archive or a folder", 1),
        ("data.source=setups data.watch=src", "data.watch must be data.source, setups, or", 1),
        ("sample data.table=labels.csv", "data.table must be null without a table", 1),
        ("mobilenetv2 data.layout=folders split.column=part", "split.column must be null", 1),
        ("mobilenetv2 base.weights=some.h5", "some.h5 does not exist", 1),
        ("sample train.fine_tune_epochs", "must be key=value", 2),
        ("sample =5", "'=5' must be key=value", 2),
        ("seed=1 seed=2", "seed is given twice", 2),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(folder, arguments, message, code):
    before = (folder / "params.yaml").read_bytes()
    output = run(f"thaw use {arguments}", folder, expect=code)
    assert message in " ".join(output.replace("│", " ").split())
    assert "Traceback" not in output
    assert code == 2 or len(output.splitlines()) == 1
    assert (folder / "params.yaml").read_bytes() == before


def test_each_mistake_has_a_line_of_its_own(folder):
    before = (folder / "params.yaml").read_bytes()
    settings = "train.dropout=1 base.image_size=big train.freze_till=3 seed=-1"
    lines = run(f"thaw use sample {settings}", folder, expect=1).splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert sorted(line.split(" ")[1] for line in lines) == [
        "base.image_size",
        "seed",
        "train.dropout",
        "train.freze_till",
    ]
    assert (folder / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("rate", ["1e-05", "1e-20", "0.00001"])
def test_small_numbers_are_read_and_written_in_full(folder, rate):
    run(f"thaw use sample train.fine_tune_learning_rate={rate}", folder)
    assert params(folder)["train"]["fine_tune_learning_rate"] == float(rate)


def test_what_is_no_parameter_leaves_and_what_is_missing_comes_back(folder):
    before = (folder / "params.yaml").read_text()
    damaged = before.replace("  dropout: 0.3\n", "  pages: 3\n") + "\nold:\n  key: 1\n7: 3\n"
    damaged = damaged.replace("export:", "import:")
    (folder / "params.yaml").write_text(damaged)
    output = run("thaw use sample", folder)
    assert "train.pages: 3 → removed" in output and "old.key: 1 → removed" in output
    assert params(folder) == yaml.safe_load(before)


def test_params_that_are_not_yaml_are_one_line(folder):
    (folder / "params.yaml").write_bytes("seed: 1 # für".encode("latin-1"))
    output = run("thaw use sample", folder, expect=1)
    assert output.startswith("error: params.yaml must be YAML in UTF-8") and output.count("\n") == 1


def test_a_local_source_is_watched_and_another_source_drops_watch_and_hash(folder):
    (folder / "photos").mkdir()
    run(f"thaw use sample data.source=photos data.sha256={64 * 'a'}", folder)
    assert params(folder)["data"]["watch"] == "photos"
    run("thaw use seed=3", folder)
    assert params(folder)["data"]["sha256"] == 64 * "a"
    run("thaw use data.source=https://example.org/photos.zip", folder)
    assert params(folder)["data"]["watch"] == "src/thaw/sample"
    assert params(folder)["data"]["sha256"] is None


def test_keys_without_a_setup_change_nothing_else(folder):
    run("thaw use vgg16 train.dropout=0.25", folder)
    before = params(folder)
    output = run("thaw use seed=7", folder)
    assert output.splitlines() == ["seed: 20 → 7"]
    assert params(folder) == before | {"seed": 7}


def test_a_setup_says_that_earlier_settings_go(folder):
    run("thaw use seed=7", folder)
    output = run("thaw use sample", folder)
    assert output.splitlines()[0] == "seed: 7 → 20"
    assert "earlier settings are not kept" in output.splitlines()[1]  # on standard error
    assert params(folder)["seed"] == 20


def test_json_has_what_changed(folder):
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text + "\nold: 1\n")
    found = json.loads(run("thaw use sample seed=7 --json 2>errors", folder))
    assert found == {
        "setup": "sample",
        "changed": {"seed": {"before": 20, "after": 7}},
        "removed": {"old": 1},
    }
    assert "earlier settings are not kept" in (folder / "errors").read_text()
    found = json.loads(run("thaw use seed=7 --json", folder))
    assert found == {"setup": None, "changed": {}, "removed": {}}


def test_params_are_written_before_the_report(folder):
    run("thaw use seed=8 >/dev/full || true", folder)
    assert params(folder)["seed"] == 8


def test_the_command_finds_the_project_from_a_folder_inside_it(folder):
    (folder / "dvc.yaml").write_text("stages: {}")
    (folder / "notebooks/deep").mkdir(parents=True)
    (folder / "notebooks/deep/src").symlink_to(ROOT / "src")
    run("thaw use seed=7", folder / "notebooks/deep")
    assert params(folder)["seed"] == 7


def test_a_local_table_is_watched_and_one_inside_the_source_is_not(folder):
    (folder / "photos").mkdir()
    (folder / "labels.csv").write_text("file,label\n")
    run("thaw use sample data.source=photos data.table=labels.csv data.layout=csv", folder)
    assert params(folder)["data"]["watch_table"] == "labels.csv"
    error = run("thaw use data.watch_table=setups", folder, expect=1)
    assert error.startswith("error: data.watch_table must be data.table, labels.csv")
    run("thaw use data.table=inside.csv", folder)
    assert params(folder)["data"]["watch_table"] == "src/thaw/sample/__init__.py"


def test_corrected_labels_and_other_things_are_watched(folder):
    before = (folder / "params.yaml").read_bytes()
    (folder / "relabel.csv").write_text("name,label\n")
    (folder / "others").mkdir()
    run("thaw use data.relabel=relabel.csv data.unknown=others", folder)
    data = params(folder)["data"]
    assert data["watch_relabel"] == data["relabel"] == "relabel.csv"
    assert data["watch_unknown"] == data["unknown"] == "others"
    error = run("thaw use data.watch_relabel=setups", folder, expect=1)
    assert error.startswith("error: data.watch_relabel must be data.relabel, relabel.csv, so that")
    error = run("thaw use data.watch_unknown=relabel.csv", folder, expect=1)
    assert error.startswith("error: data.watch_unknown must be data.unknown, others, so that DVC")
    run("thaw use data.unknown=https://example.org/others.zip", folder)
    assert params(folder)["data"]["watch_unknown"] == "src/thaw/evaluate/__init__.py"
    run("thaw use data.relabel=null data.unknown=null", folder)
    assert (folder / "params.yaml").read_bytes() == before


def test_help_teaches(folder):
    assert "thaw use mobilenetv2 data.source=photos.zip" in " ".join(
        run("thaw use --help", folder).replace("│", " ").split()
    )


def test_help_needs_nothing_but_typer(folder):
    hidden = "import sys; sys.modules.update(dict.fromkeys(['pydantic', 'yaml', 'ruamel.yaml']))"
    command = "from thaw.cli.main import main; sys.argv = ['thaw', '--help']; main()"
    assert "verify" in run(f'{sys.executable} -c "{hidden}; {command}"', folder)


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("use", "{SETUP|KEY=VALUE}..."),
        ("sweep", "[KEY=VALUE,VALUE...]..."),
        ("compare", "[EXP]..."),
        ("predict", "{PATH}..."),
        ("publish", "[BUNDLE]"),
    ],
)
def test_usage_has_one_kind_of_brackets(folder, command, usage):
    assert f"Usage: thaw {command} [OPTIONS] {usage} " in run(f"thaw {command} --help", folder)
