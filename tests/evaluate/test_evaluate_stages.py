"""Run evaluate, explain and report in a small project."""

import gc
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thaw.bundle import bundle_sha256, check_bundle
from thaw.errors import ThawError
from thaw.evaluate.gallery import draw_mistakes
from thaw.evaluate.gradcam import read_explained
from thaw.evaluate.mistakes import worst_mistakes
from thaw.params import load
from thaw.serving.predictor import Predictor
from thaw.stage import StageParams

ROOT = Path(__file__).parents[2]
READS = {
    "evaluate": {"evaluate.bins"},
    "explain": {"evaluate.explain_per_class"},
    "report": {"evaluate.mistakes"},
}
TABLES = [
    *("calibration", "confusion", "learning_curves", "per_class", "precision_recall"),
    *("risk_coverage", "roc"),
]
IMAGES = ["gradcam", "mistakes", "overview"]


def run(stage: str) -> None:
    spec = importlib.util.spec_from_file_location(f"stage_{stage}", ROOT / f"stages/{stage}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    gc.enable()  # as thaw.stage.run does
    module.main(StageParams(load(ROOT / "params.yaml"), frozenset(READS[stage])))


def snapshot(root: Path) -> dict[str, bytes]:
    folders = ("outputs", "metrics", "plots")
    files = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_the_stages_write_their_outs_reproducibly(project):
    for stage in READS:
        run(stage)
    first = snapshot(project)
    assert set(first) == {
        "outputs/train/history.csv",
        "outputs/predictions.csv",
        "outputs/explain/rows.csv",
        "outputs/explain/heatmaps.npy",
        "outputs/explain/images.npy",
        "outputs/details.json",
        "outputs/bundle_metrics.json",
        "outputs/crossval.json",
        "outputs/full_crossval.json",
        "metrics/crossval.json",
        "metrics/eval.json",
        "metrics/details.json",
        "metrics/ingest.json",
        *(f"outputs/tables/{name}.csv" for name in TABLES if name != "learning_curves"),
        *(f"plots/{name}.csv" for name in TABLES),
        *(f"plots/{name}.png" for name in IMAGES),
    }
    for name in IMAGES:
        with Image.open(project / f"plots/{name}.png") as image:
            assert np.asarray(image).std() > 10  # something is drawn
            assert "Software" not in image.info
    for stage in READS:
        run(stage)
    assert snapshot(project) == first


def test_evaluate_computes_metrics_of_the_predictions(project):
    run("evaluate")
    found = json.loads((project / "metrics/eval.json").read_text())
    details = json.loads((project / "outputs/details.json").read_text())
    assert not set(found) & set(details)
    known_by = bundle_sha256(check_bundle(project / "models/bundle"))
    of_bundle = json.loads((project / "outputs/bundle_metrics.json").read_text())
    assert of_bundle == {"bundle": known_by, "metrics": found}
    found |= details
    table = pd.read_csv(project / "outputs/predictions.csv")
    split = pd.read_csv(project / "data/split.csv").set_index("name")["split"]
    assert set(table["name"]) == set(split.index[split != "train"])
    test = table[table["split"] == "test"]
    assert 0.5 < found["accuracy"] < 1
    assert found["accuracy"] == (test["label"] == test["predicted"]).mean()
    assert found["n"] == len(test)
    assert (found["freeze_till"], found["trainable_parameters"]) == (7, 6)
    # A bundle without temperature and decision rule answers as before.
    assert found["threshold"] is None
    assert found["decision"]["accuracy"] == found["accuracy"]
    for name, measure in found["calibration"]["before"].items():
        assert found["calibration"]["after"][name] == pytest.approx(measure, abs=1e-6)
    assert found["calibration"]["after"]["ece"]["value"] == pytest.approx(found["ece"])
    assert found["calibration"]["after"]["nll"]["value"] == pytest.approx(found["loss"])


def test_explain_takes_the_first_of_each_class_by_sha256(project):
    run("explain")
    found = read_explained(project / "outputs/explain")
    classes = len(found.predictions.labels)
    assert found.predictions.truth.tolist() == sorted(list(range(classes)) * 4)
    assert found.images.shape == (4 * classes, 32, 32, 3)
    answer = Predictor("models/bundle").predict(found.images)
    np.testing.assert_array_equal(found.predictions.probabilities, answer.probabilities)
    np.testing.assert_array_equal(found.heatmaps, answer.heatmaps)


def test_a_damaged_bundle_is_not_evaluated(project):
    with open(project / "models/bundle/model.onnx", "ab") as stream:
        stream.write(b"x")
    with pytest.raises(ThawError, match="SHA-256"):
        run("evaluate")


def test_mistakes_are_sorted_by_confidence_and_may_be_none(make_predictions, tmp_path):
    test = make_predictions(3).subset("test")
    chosen = worst_mistakes(test, 5)
    assert (test.predicted[chosen] != test.truth[chosen]).all()
    confidence = test.probabilities.max(axis=1)
    assert (np.diff(confidence[chosen]) <= 0).all()
    others = np.setdiff1d(np.flatnonzero(test.predicted != test.truth), chosen)
    assert confidence[others].max() <= confidence[chosen].min()
    perfect = make_predictions(2, skill=50).subset("test")
    none = worst_mistakes(perfect, 5)
    assert len(none) == 0
    draw_mistakes(tmp_path / "mistakes.png", perfect, none, {})
    with Image.open(tmp_path / "mistakes.png") as image:
        assert np.asarray(image).min() == 0  # the message


def test_no_module_of_evaluate_imports_tensorflow():
    modules = sorted(path.stem for path in (ROOT / "src/thaw/evaluate").glob("[a-z]*.py"))
    code = "; ".join(
        [f"import thaw.evaluate.{name}" for name in modules]
        + ["import sys", "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"]
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
