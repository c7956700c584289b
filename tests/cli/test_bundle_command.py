"""`thaw bundle`: info, verify and pack, run as a user runs them."""

import json
import subprocess
import sys

import pytest
from project import ROOT, run
from small_bundle import LABELS, SIDE, write_colours

from thaw.bundle import bundle_sha256, check_bundle, write_bundle
from thaw.files import sha256_of, write_json
from thaw.paths import BUNDLE_METRICS

FITTED = {
    "base": "MobileNetV2",
    "image_size": SIDE,
    "precision": "float32",
    "freeze_till": 117,
    "trainable_parameters": 234066,
    "training": {"seed": 20, "alpha": None, "hidden_units": [32], "phase": "head", "epoch": 4},
    "temperature": 1.06,
    "decision": {"aim": "accuracy", "threshold": 0.4, "costs": None},
    "fitted_on": {"images": "out-of-fold", "n": 643},
    "unknown": {"limit": 0.483, "refuse": 0.02},
}


@pytest.fixture
def folder(tmp_path):
    """A project with a bundle and its metrics."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    write_colours(tmp_path / "plain")
    model = (tmp_path / "plain/model.onnx").read_bytes()
    write_bundle(tmp_path / "models/bundle", model, LABELS, FITTED, [64 * "a", 64 * "b"])
    found = {"bundle": sha256(tmp_path), "metrics": {"accuracy": 0.8875, "n": 160}}
    write_json(tmp_path / BUNDLE_METRICS, found)
    return tmp_path


def sha256(folder):
    return bundle_sha256(check_bundle(folder / "models/bundle"))


def result(command, folder, expect=0):
    """What a command prints as its result, which is one JSON document."""
    return json.loads(run(f"{command} --json 2>errors", folder, expect))


def test_info_says_what_a_bundle_is(folder):
    lines = run("thaw bundle info", folder).splitlines()
    found = dict(line.strip().split("  ", 1) for line in lines[1:])
    found = {title: text.strip() for title, text in found.items()}
    assert lines[0] == "models/bundle"
    assert found.pop("size").endswith("MB, format 1")
    assert found == {
        "classes": "3: red, green, blue",
        "base": "MobileNetV2, float32",
        "images": "32 × 32 pixels, resize squash",
        "trained": "234,066 parameters; 2 images trained or chosen on; "
        "the first 117 layers of the base frozen",
        "training": "seed 20, hidden_units [32], phase head, epoch 4",
        "temperature": "1.06",
        "decision": "aim accuracy, threshold 0.4",
        "fitted on": "images out-of-fold, n 643",
        "unknown": "limit 0.483, refuse 0.02",
        "on test": "accuracy 0.8875, n 160",
        "sha256": sha256(folder),
    }


def test_info_of_a_bundle_that_records_nothing(folder):
    output = run("thaw bundle info plain", folder)
    assert output.count("not recorded") == 7  # the metrics are of another bundle


def test_info_as_json_is_the_manifest_and_what_is_known_beside_it(folder):
    found = result("thaw bundle info", folder)
    assert found["manifest"] == check_bundle(folder / "models/bundle")
    assert found["sha256"] == sha256(folder) and found["images_seen"] == 2
    parts = (folder / "models/bundle").iterdir()
    assert found["bytes"] == sum(path.stat().st_size for path in parts)
    assert found["metrics"] == {"accuracy": 0.8875, "n": 160}


@pytest.mark.parametrize(
    "metrics",
    [b"", b"[1]", b'{"bundle": 3}', b'{"bundle": "HASH"}', b'{"bundle": "HASH", "metrics": [1]}'],
)
def test_metrics_that_are_damaged_or_of_another_bundle_are_not_shown(folder, metrics):
    (folder / BUNDLE_METRICS).write_bytes(metrics.replace(b"HASH", sha256(folder).encode()))
    assert result("thaw bundle info", folder)["metrics"] is None


def test_pack_keeps_the_metrics_with_the_bundle(folder):
    packed = result("thaw bundle pack", folder)
    assert packed == {
        "path": "bundle.zip",
        "bytes": (folder / "bundle.zip").stat().st_size,
        "sha256": sha256_of(folder / "bundle.zip"),
        "bundle": sha256(folder),
        "has_metrics": True,
    }
    (folder / BUNDLE_METRICS).unlink()
    assert result("thaw bundle info bundle.zip", folder)["metrics"]["accuracy"] == 0.8875
    again = result("thaw bundle pack bundle.zip -o again.zip", folder)
    assert again["sha256"] == packed["sha256"]
    without = result("thaw bundle pack -o without.zip", folder)
    assert not without["has_metrics"] and without["sha256"] != packed["sha256"]


def test_pack_overwrites_only_when_it_is_told(folder):
    run("thaw bundle pack -o some.zip >out", folder)
    assert (folder / "out").read_text() == ""
    before = (folder / "some.zip").read_bytes()
    error = run("thaw bundle pack -o some.zip", folder, expect=1)
    assert error == "error: some.zip must not exist, but does: give another -o, or --force\n"
    run("thaw bundle pack -o some.zip --force", folder)
    assert (folder / "some.zip").read_bytes() == before


def test_verify_hashes_the_parts(folder):
    assert run("thaw bundle verify", folder) == "bundle: 4 parts are undamaged\n"
    expected = {"address": "models/bundle", "sha256": sha256(folder), "parts": 4, "error": None}
    assert result("thaw bundle verify", folder) == expected
    run("thaw bundle pack", folder)
    assert "4 parts" in run(f"thaw bundle verify file://{folder}/bundle.zip", folder)


def test_verify_names_what_is_damaged(folder):
    (folder / "models/bundle/model.onnx").write_bytes(b"damaged")
    for command in ("verify", "info", "pack"):
        error = run(f"thaw bundle {command}", folder, expect=1)
        assert error.startswith("error: models/bundle/model.onnx must have SHA-256")
        assert len(error.splitlines()) == 1
    found = result("thaw bundle verify", folder, expect=1)
    assert found["error"] in (folder / "errors").read_text() and found["sha256"] is None


def test_a_missing_bundle_is_one_line(folder):
    for command in ("verify", "info", "pack"):
        error = run(f"thaw bundle {command} none.zip", folder, expect=1)
        assert error == "error: none.zip has no bundle: make one with `dvc repro export`\n"


def test_they_need_the_core_only(folder):
    run("thaw bundle pack", folder)
    names = ["fsspec", "yaml", "ruamel.yaml", "pandas", "dvc", "tqdm"]
    hidden = f"import sys; sys.modules.update(dict.fromkeys({names}))"
    for words in (["info"], ["verify", "bundle.zip"], ["pack", "-o", "other.zip"]):
        code = f"{hidden}; sys.argv = {['thaw', 'bundle', *words]}"
        code += "; from thaw.cli.main import main; main()"
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
