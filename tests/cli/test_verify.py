"""`thaw verify` names what is damaged and changes nothing."""

import hashlib
import json

import pytest
from project import ROOT, run
from small_bundle import write_colours


@pytest.fixture
def folder(tmp_path):
    """A bundle, an output that is a file, one that is a folder, and a cache with both."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    write_colours(tmp_path / "models/bundle")
    (tmp_path / "outputs/explain").mkdir(parents=True)
    (tmp_path / "outputs/one.csv").write_bytes(b"one")
    (tmp_path / "outputs/explain/two.png").write_bytes(b"two")
    one, two = (hashlib.md5(content).hexdigest() for content in (b"one", b"two"))
    listing = json.dumps([{"md5": two, "relpath": "two.png"}])
    both = hashlib.md5(listing.encode()).hexdigest()
    for name, content in {one: "one", two: "two", f"{both}.dir": listing}.items():
        path = tmp_path / ".dvc/cache/files/md5" / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "dvc.lock").write_text(
        "stages:\n  some:\n    outs:\n"
        f"    - path: outputs/one.csv\n      md5: {one}\n"
        f"    - path: outputs/explain\n      md5: {both}.dir\n"
    )
    return tmp_path


def test_undamaged_files_are_counted(folder):
    lines = run("thaw verify", folder).splitlines()
    assert lines == [
        "bundle: 4 parts are undamaged",
        "outputs: 2 of 2 match dvc.lock",
        "cache: 3 of 3 objects are undamaged",
    ]


@pytest.mark.parametrize(
    "path", ["outputs/one.csv", "outputs/explain/two.png", "models/bundle/model.onnx", "cache"]
)
def test_whatever_is_damaged_is_named(folder, path):
    if path == "cache":
        file = next(file for file in (folder / ".dvc").rglob("*") if file.is_file())
        path = str(file.relative_to(folder))
    (folder / path).write_bytes(b"damaged")
    output = run("thaw verify", folder, expect=1)
    assert f"damaged: {path}".removesuffix("/two.png") in output
    assert "error: 1 files differ from their recorded hashes" in output


def test_a_cache_that_is_elsewhere_is_verified_there(folder):
    (folder / ".dvc/cache").rename(folder / "elsewhere")
    (folder / ".dvc/config.local").write_text("[cache]\n    dir = ../elsewhere\n")
    assert "cache: 3 of 3 objects are undamaged" in run("thaw verify", folder)


def test_json_has_the_counts_and_what_is_damaged(folder):
    (folder / "outputs/one.csv").write_bytes(b"damaged")
    found = json.loads(run("thaw verify --json 2>errors", folder, expect=1))
    assert found["bundle"]["parts"] == 4 and found["bundle"]["error"] is None
    assert found["outputs"] == {"n": 2, "damaged": ["outputs/one.csv"]}
    assert found["cache"] == {"n": 3, "damaged": []}
    assert "error: 1 files differ" in (folder / "errors").read_text()
    (folder / "dvc.lock").unlink()
    assert json.loads(run("thaw verify --json 2>errors", folder, expect=1))["outputs"]["n"] is None


@pytest.mark.parametrize("path", ["dvc.lock", "outputs/one.csv", "models/bundle/manifest.json"])
def test_whatever_is_missing_is_named(folder, path):
    (folder / path).unlink()
    output = run("thaw verify", folder, expect=1)
    assert "damaged: " in output and "Traceback" not in output


@pytest.mark.parametrize(
    "content", [b"", b"stages: [", b"[1]", b"stages: {a: {outs: [1]}}", b"\xff"]
)
def test_a_damaged_lock_is_one_line(folder, content):
    (folder / "dvc.lock").write_bytes(content)
    output = run("thaw verify", folder, expect=1)
    [line] = [line for line in output.splitlines() if line.startswith("damaged: ")]
    assert "dvc.lock must be as the pipeline wrote it" in line and "Traceback" not in output
