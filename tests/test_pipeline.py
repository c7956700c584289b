"""A real repository: what reruns after which change, what the cache restores, experiments."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from project import run

from thaw.data.tables import SPLIT_COLUMNS, read_csv, read_rows
from thaw.evaluate.predictions import read_out_of_fold, read_predictions
from thaw.params import load
from thaw.temperature import fit_temperature, with_temperature

AFTER = {  # a change, and exactly the stages that it makes stale at once
    "train.fine_tune_learning_rate=0.002": {"train"},
    "train.dropout=0.1": {"crossval", "train"},
    "crossval.enabled=false": {"audit", "crossval"},
    "train.freeze_till=120": {"features", "train"},
    "train.pooling=flatten": {"embed", "export", "train"},
    "augment.rotation=20.0": {"augment"},
    "base.alpha=0.5": {"base", "export", "train"},
    "base.resize=crop": {"augment", "base", "embed", "export", "features", "train"},
    "evaluate.bins=5": {"evaluate"},
    "evaluate.mistakes=3": {"report"},
    "split.val=0.25": {"split"},
    "export.tta_flip=true": {"export"},
    "export.calibrate=false": {"export"},
    "export.formats=[litert]": {"export"},
    "decision.aim=f1": {"export"},
    "unknown.refuse=0.05": {"export"},
}
BELOW_TRAIN = {"export", "evaluate", "explain", "report"}  # what its new outputs make stale in turn


def stale(folder):
    """The stages whose own deps, params or command changed since they ran."""
    return set(json.loads(run("dvc status --json", folder)))


def ran(output):
    """The stages that a `dvc repro` ran, not restored or skipped."""
    return re.findall(r"Running stage '(\w+)'", output)


@pytest.fixture
def restored(project):
    """The project, with its params and code put back afterwards."""
    yield project
    run("git checkout -q . && git clean -fdq && dvc checkout -q", project)


@pytest.mark.parametrize("change", AFTER)
def test_a_param_makes_exactly_its_stages_stale(restored, change):
    assert stale(restored) == set()
    key, value = change.split("=")
    section, name = key.split(".")
    text = (restored / "params.yaml").read_text()
    changed = re.sub(rf"(?m)(^{section}:\n(?:  .*\n)*?  {name}): .*", rf"\1: {value}", text)
    assert changed != text
    (restored / "params.yaml").write_text(changed)
    assert stale(restored) == AFTER[change]


def test_an_edit_of_a_module_makes_its_stages_stale(restored):
    with (restored / "src/thaw/evaluate/curves.py").open("a") as source:
        source.write("\n# a note\n")
    assert stale(restored) == {"evaluate"}


def test_changed_and_changed_back_trains_nothing_again(restored):
    params = (restored / "params.yaml").read_text()
    (restored / "params.yaml").write_text(params.replace("head_epochs: 2", "head_epochs: 1"))
    # The audit too, unless the out-of-fold predictions stayed as they are.
    assert set(ran(run("dvc repro", restored))) - {"audit"} == {"crossval", "train"} | BELOW_TRAIN
    (restored / "params.yaml").write_text(params)
    assert ran(run("dvc repro", restored)) == ["report"]  # cheap, and its outputs are in Git
    assert run("git status --porcelain", restored) == ""


def test_nothing_changed_runs_nothing_and_the_tree_is_clean(project):
    assert "up to date" in run("dvc repro", project)
    assert run("git status --porcelain", project) == ""


def test_metrics_have_the_keys_that_others_rely_on(project):
    found = json.loads((project / "metrics/eval.json").read_text())
    assert set(found) == {
        "accuracy", "accuracy_low", "accuracy_high", "val_accuracy", "loss", "roc_auc", "f1", "ece",
        "n",
    }  # fmt: skip
    assert max(map(len, run("dvc metrics show", project).splitlines())) <= 120
    details = json.loads((project / "metrics/details.json").read_text())
    assert {"threshold", "precision", "recall", "trainable_parameters", "classes"} <= set(details)
    assert details["freeze_till"] == 140
    assert 0 <= found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"] <= 1


def test_every_image_of_train_and_val_has_an_out_of_fold_prediction(project):
    split = read_csv(project / "data/split.csv", SPLIT_COLUMNS)
    columns = {"name": str, "label": str, "fold": int, "predicted": str}
    found = read_csv(project / "outputs/out_of_fold.csv", columns)
    folded = split[split["fold"] >= 0].reset_index(drop=True)
    assert found[["name", "label", "fold"]].equals(folded[["name", "label", "fold"]])
    metrics = json.loads((project / "metrics/crossval.json").read_text())
    assert (metrics["training"], metrics["head_solver"]) == ("head", "adam")
    correct = (found["predicted"] == found["label"]).groupby(found["fold"]).mean()
    assert metrics["accuracy"]["mean"] == pytest.approx(correct.mean())


def test_the_audit_ranks_every_image_of_train_and_val(project):
    split = read_csv(project / "data/split.csv", SPLIT_COLUMNS)
    folded = sorted(split.loc[split["fold"] >= 0, "name"])
    columns = {"list": str, "rank": int, "name": str, "label": str, "suggested": str}
    found = read_csv(project / "outputs/audit.csv", columns | {"score": float, "reason": str})
    for which in ("label", "outlier"):
        here = found[found["list"] == which]
        assert sorted(here["name"]) == folded
        assert here["rank"].tolist() == list(range(1, len(folded) + 1))
        assert here["score"].is_monotonic_decreasing
    assert (project / "outputs/audit.html").read_text().count('<li class="card"') == len(found)


def test_a_solved_head_and_cross_validation_switched_off(restored):
    changes = "train.head_solver=lbfgs train.hidden_units=[] crossval.enabled=false"
    run(f"thaw use {changes} train.freeze_till=all && dvc repro", restored)
    assert json.loads((restored / "metrics/crossval.json").read_text()) == {"n": 0}
    for name in ("out_of_fold", "audit"):
        assert len((restored / f"outputs/{name}.csv").read_text().splitlines()) == 1
    assert "switched off" in (restored / "outputs/audit.html").read_text()
    assert len((restored / "plots/learning_curves.csv").read_text().splitlines()) == 2


def test_cross_validation_of_the_whole_training(restored):
    output = run("thaw use crossval.full=true && dvc repro", restored)
    assert output.count("fine-tuning: 100%") >= 6  # of the bundle, and of each of five folds
    metrics = json.loads((restored / "metrics/crossval.json").read_text())
    assert metrics["training"] == "full"
    assert fitted(restored)[0]["fitted_on"] == {"images": "out-of-fold", "n": metrics["n"]}
    table = (restored / "outputs/full_out_of_fold.csv").read_text().splitlines()
    assert len(table) == metrics["n"] + 1


KILLED = """
import runpy
from thaw.features import adam_head
def killed(*_):
    raise KeyboardInterrupt
adam_head.write_progress, write = lambda *state: (write(*state), killed()), adam_head.write_progress
runpy.run_path("stages/train.py", run_name="__main__")
"""


def test_a_killed_training_does_not_continue_with_classes_in_another_order(restored):
    def history(command):
        run(command, restored)
        return (restored / "outputs/train/history.csv").read_text()

    run("thaw use train.freeze_till=all && dvc repro features", restored)
    (restored / "killed.py").write_text(KILLED)
    assert "KeyboardInterrupt" in run("PYTHONPATH=src python killed.py", restored, expect=130)
    found = history("thaw use data.classes=[Square,Disc] && dvc repro train")
    assert found == history("dvc repro --force --single-item train")


def fitted(folder):
    """The bundle's manifest, and its predictions of val and test."""
    manifest = json.loads((folder / "models/bundle/manifest.json").read_text())
    return manifest, read_predictions(folder / "outputs/predictions.csv")


def test_the_bundle_answers_as_was_fitted_on_validation_images(project):
    manifest, found = fitted(project)
    val = read_out_of_fold(project / "outputs/train/val.csv", found.labels, "val")
    assert manifest["fitted_on"] == {"images": "val", "n": len(val.names)}  # the tail was trained
    temperature = fit_temperature(val.probabilities, val.truth)
    assert manifest["temperature"] == pytest.approx(temperature)
    calibrated = with_temperature(val.probabilities, temperature)
    here = found.subset("val")
    assert here.names == val.names
    np.testing.assert_allclose(here.probabilities, calibrated, atol=2e-3)
    details = json.loads((project / "metrics/details.json").read_text())
    assert details["threshold"] == manifest["decision"]["threshold"]
    assert details["unknown"]["limit"] == manifest["unknown"]["limit"]


def test_the_bundle_says_how_it_was_trained_and_what_evaluation_found(project):
    found = json.loads(run("thaw bundle info --json", project))
    assert found["metrics"] == json.loads((project / "metrics/eval.json").read_text())
    best = json.loads((project / "outputs/train/best.json").read_text())
    training, declared = found["manifest"]["training"], load(project / "params.yaml")
    assert training["epoch"] == best["epoch"] and training["phase"] in ("head", "fine-tuning")
    assert training["seed"] == declared.seed and training["weights"] == "none"
    assert training.items() >= declared.train.model_dump().items()


def test_a_frozen_base_is_fitted_on_out_of_fold_predictions_and_tried_on_other_things(restored):
    draw_noise(restored / "noise")
    changes = "train.freeze_till=all export.tta_flip=true decision.abstain=0.1 data.unknown=noise"
    run(f"thaw use {changes} 'decision.aim=recall>=0.9 of Disc' && dvc repro", restored)
    manifest, found = fitted(restored)
    of_folds = read_out_of_fold(restored / "outputs/out_of_fold.csv", found.labels)
    assert manifest["fitted_on"] == {"images": "out-of-fold", "n": len(of_folds.names)}
    calibrated = with_temperature(of_folds.probabilities, manifest["temperature"])
    answers = (calibrated[:, 1] > manifest["decision"]["threshold"]).astype(int)
    assert (answers[of_folds.truth == 0] == 0).mean() >= 0.9
    details = json.loads((restored / "metrics/details.json").read_text())
    assert details["unknown"]["others_n"] == 6  # one file is no image
    assert 0 <= details["unknown"]["roc_auc"]["value"] <= 1  # the base has random weights
    assert details["decision"]["most_risk"] == manifest["decision"]["most_risk"] > 0
    shutil.rmtree(restored / "noise")


def test_a_file_for_devices_is_written_if_asked_for_and_compared_with_the_bundle(restored):
    model = restored / "models/litert/classifier.tflite"
    assert "litert" not in json.loads((restored / "metrics/details.json").read_text())
    assert not model.exists()
    assert ran(run("thaw use export.formats=[litert] && dvc repro", restored)) == [
        *("export", "evaluate", "report")
    ]
    found = json.loads((restored / "metrics/details.json").read_text())["litert"]
    manifest, predictions = fitted(restored)
    test = predictions.subset("test")  # the tail was trained
    assert found["labels_equal"] == found["n"] == len(test.names)
    assert found["largest_difference"] < 1e-4
    before = model.read_bytes()
    assert found["megabytes"] == len(before) / 1e6
    images = " ".join(f"shapes/{name}" for name in test.names)
    lines = run(f"python models/litert/example.py {images} 2>/dev/null", restored).splitlines()
    is_unknown = test.unknown_scores > manifest["unknown"]["limit"]
    labels = np.where(is_unknown, "unknown", np.array(test.labels)[test.predicted])
    assert [line.split("\t")[1] for line in lines] == labels.tolist()
    run("PYTHONPATH=src python stages/export.py", restored)
    assert model.read_bytes() == before


def test_an_aim_that_names_no_class_is_one_line(restored):
    run("thaw use 'decision.aim=recall>=0.9 of Cow'", restored)
    output = run("dvc repro export", restored, expect=255)
    [line] = [line for line in output.splitlines() if "error in export" in line]
    assert line.endswith("decision.aim must name one of Disc, Square, but names Cow")


def draw_noise(folder):
    """Six images of noise, and a file that is none."""
    folder.mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "damaged.png").write_bytes(b"nothing")


def test_the_same_inputs_give_every_digit_and_byte_again(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("again") / "project"
    ignored = shutil.ignore_patterns("cache", "tmp", ".thaw", "logs", ".keras")
    shutil.copytree(project, other, ignore=ignored)
    run("dvc repro --force --no-run-cache", other)
    for path in ("dvc.lock", "metrics/eval.json"):  # dvc.lock has the hash of every output
        assert (other / path).read_text() == (project / path).read_text()


def test_an_experiment_compares_with_what_is_there(restored):
    run("dvc exp run -n deeper -S train.freeze_till=130", restored)
    details = json.loads((restored / "metrics/details.json").read_text())
    assert details["freeze_till"] == 130
    difference = json.loads(run("dvc metrics diff --all --json", restored))
    assert "loss" in difference["metrics/eval.json"]
    difference = json.loads(run("dvc params diff --json", restored))
    assert difference["params.yaml"]["train.freeze_till"]["new"] == 130
    assert "deeper" in run("dvc exp show --no-pager --csv", restored)
    run("dvc plots diff -o compared", restored)
    assert (restored / "compared/index.html").exists()


def test_experiments_are_compared_on_validation_images(restored):
    run("dvc exp run -q -n flat -S train.pooling=flatten -S train.fine_tune_epochs=0", restored)
    result = json.loads(run("thaw compare HEAD flat --json 2>/dev/null", restored))
    assert result["images"] == "val"
    params = {name: setting["params"] for name, setting in by_name(result).items()}
    assert params["HEAD"] == {"train.pooling": "average", "train.fine_tune_epochs": 1}
    assert params["flat"] == {"train.pooling": "flatten", "train.fine_tune_epochs": 0}
    metrics = json.loads(run("git show HEAD:metrics/eval.json", restored))
    assert by_name(result)["HEAD"]["accuracy"] == pytest.approx(metrics["val_accuracy"])
    assert by_name(result)["HEAD"]["test"]["accuracy"] == metrics["accuracy"]
    [pair] = result["pairs"]
    difference = by_name(result)[pair["first"]]["accuracy"]
    difference -= by_name(result)[pair["second"]]["accuracy"]
    assert pair["difference"] == pytest.approx(difference)
    assert "data:image/svg" in (restored / "outputs/compare/index.html").read_text()


def by_name(result):
    return {setting["name"]: setting for setting in result["settings"]}


def test_an_experiment_runs_the_code_of_its_own_copy(restored):
    run("dvc exp run --queue -n queued -S train.dropout=0.2", restored)
    (restored / "src/thaw/evaluate/curves.py").write_text("raise RuntimeError('later edit')\n")
    run("dvc exp run --run-all", restored)
    assert "queued" in run("dvc exp show --no-pager --csv", restored)
    # TensorBoard shows its learning curves while it runs.
    assert len(list((restored / "logs/tensorboard").glob("queued_*/train/events*"))) >= 1


def test_a_rate_that_dvc_writes_in_scientific_notation_is_a_number(restored):
    run("dvc exp run -S train.fine_tune_learning_rate=0.00001", restored)
    assert "fine_tune_learning_rate: 1e-05" in (restored / "params.yaml").read_text()


@pytest.mark.parametrize("change", ["added", "removed", "replaced"])
def test_a_changed_local_source_is_noticed(restored, change):
    image = restored / "shapes/Disc/0.png"
    if change == "added":
        shutil.copy(image, image.with_name("more.png"))
    elif change == "removed":
        image.unlink()
    else:
        shutil.copy(restored / "shapes/Disc/1.png", image)
    assert stale(restored) == {"ingest"}


def test_a_bundle_is_not_evaluated_on_images_that_it_was_trained_on(restored):
    path = restored / "data/split.csv"
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    swap = {"train": ("test", "-1"), "test": ("train", "0")}
    rows = [[*row[:3], *swap.get(row[3], row[3:])] for row in rows]
    path.unlink()  # a link to the cache
    path.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
    output = run("PYTHONPATH=src python stages/evaluate.py", restored, expect=1)
    assert "no test image may be among those that the bundle" in output
    assert "Traceback" not in output
    run("dvc checkout -q --force", restored)


def test_the_page_of_plots_needs_no_network(restored):
    run("dvc plots show -o page", restored)
    page = (restored / "page/index.html").read_text()
    assert "vega" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=[\"']https?:", page)


def test_verify_finds_what_is_damaged(restored):
    output = run("thaw verify", restored)
    assert "bundle: 4 parts are undamaged" in output
    labels = restored / "models/bundle/labels.json"
    labels.chmod(0o644)
    labels.write_text("[]")
    output = run("thaw verify", restored, expect=1)
    assert "labels.json" in output and "dvc checkout" in output and "Traceback" not in output
    run("dvc checkout --force -q", restored)
    run("thaw verify", restored)


def test_the_command_gives_the_digits_of_evaluation(project, tmp_path):
    evaluated = pd.read_csv(project / "outputs/predictions.csv", index_col="name", dtype=str)
    for row in read_rows(project / "data/images.parquet", ["name", "bytes"], set(evaluated.index)):
        path = tmp_path / row["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["bytes"])
    listing = "".join(f"{tmp_path / name}\n" for name in evaluated.index)
    (tmp_path / "names.txt").write_text(listing)
    run(f"thaw predict - -o {tmp_path}/found.csv < {tmp_path}/names.txt", project)
    found = pd.read_csv(tmp_path / "found.csv", dtype=str)
    numbers = [column for column in evaluated if column.startswith("p_")] + ["unknown_score"]
    for column in numbers:
        digits = [array.to_numpy().astype("f4") for array in (found[column], evaluated[column])]
        np.testing.assert_array_equal(*digits)
