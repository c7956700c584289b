"""`thaw publish`, run as a user runs it."""

import json

import pytest
import small_training
from project import ROOT, run
from small_bundle import write_colours

from thaw.bundle import bundle_sha256, check_bundle
from thaw.paths import PUBLISHED
from thaw.serving.publish import published


@pytest.fixture
def folder(tmp_path):
    """A project with a bundle."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    (tmp_path / "dvc.yaml").touch()
    write_colours(tmp_path / "models/bundle")
    return tmp_path


def test_a_bundle_is_published_and_gone_back_from(folder):
    first = json.loads(run("thaw publish --json", folder))
    assert first == {"sha256": bundle_sha256(check_bundle(folder / "models/bundle")), "gate": None}
    write_colours(folder / "other", training={"seed": 2})
    (folder / "inside").mkdir()
    (folder / "inside/src").symlink_to(ROOT / "src")
    assert "published in ../models/published: " in run("thaw publish ../other", folder / "inside")
    both = published(folder / PUBLISHED)
    assert both[1] == first["sha256"]
    assert first["sha256"] in run("thaw publish --previous", folder)
    assert published(folder / PUBLISHED) == both[::-1]
    run("thaw publish --to elsewhere", folder)
    assert published(folder / "elsewhere") == [first["sha256"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere", "error: nowhere has no bundle"),
        ("--previous", "error: going back needs two bundles"),
        ("--previous --gate", "error: --previous goes back"),
        ("--gate", "(not comparable): nothing is published yet"),
    ],
)
def test_wrong_use_is_one_line_and_publishes_nothing(folder, words, message):
    [line] = run(f"thaw publish {words}", folder, expect=1).splitlines()
    assert message in line and published(folder / PUBLISHED) == []


def test_the_gate_lets_through_what_is_not_worse(folder):
    run(f"python {small_training.__file__} data", folder)
    run("thaw publish", folder)
    write_colours(folder / "as_good", training={"seed": 2})
    found = json.loads(run("thaw publish as_good --gate --json 2> /dev/null", folder))
    assert found["gate"]["outcome"] == "not worse" and found["gate"]["n"] == 270
