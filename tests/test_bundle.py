"""A bundle notices every change of its parts, and knows the images that it has seen."""

import hashlib
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaw.bundle import FORMAT, UNKNOWN, check_bundle, check_unseen, write_bundle
from thaw.errors import ThawError

PARTS = ("manifest.json", "labels.json", "seen_images.txt", "model.onnx")
NEEDED = {"image_size": 32, "precision": "float32"}  # by who writes a bundle
SEEN = [hashlib.sha256(bytes([number])).hexdigest() for number in range(7)]


@pytest.fixture
def bundle(tmp_path):
    model = random.Random(0).randbytes(400)
    write_bundle(tmp_path / "bundle", model, ["Cat", "Dög"], NEEDED, SEEN)
    return tmp_path / "bundle"


def test_an_undamaged_bundle_gives_its_manifest(bundle):
    manifest = check_bundle(bundle)
    assert manifest["image_size"] == 32 and manifest["labels"] == ["Cat", "Dög"]


@pytest.mark.parametrize("part", PARTS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_flipped_bit_is_noticed_and_its_part_named(bundle, part, data):
    """All bits of a real bundle's manifest: `python benchmarks/bit_flips.py`."""
    whole = (bundle / part).read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    (bundle / part).write_bytes(damaged)
    try:
        with pytest.raises(ThawError, match=part) as error:
            check_bundle(bundle)
    finally:
        (bundle / part).write_bytes(whole)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"sha256": 3}', b"\xff"])
def test_a_manifest_that_is_none_is_one_line(bundle, content):
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(ThawError, match=r"manifest\.json must be the JSON of a bundle"):
        check_bundle(bundle)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(bundle, part):
    (bundle / part).unlink()
    with pytest.raises(ThawError, match="no bundle" if part == "manifest.json" else part):
        check_bundle(bundle)


def test_an_unknown_key_of_the_manifest_is_ignored(tmp_path):
    write_bundle(tmp_path / "bundle", b"model", ["a", "b"], NEEDED | {"later": [1]})
    assert json.loads((tmp_path / "bundle/manifest.json").read_text())["later"] == [1]
    check_bundle(tmp_path / "bundle")


def test_images_that_the_bundle_has_seen_are_refused_and_others_are_not(bundle):
    other = hashlib.sha256(b"other").hexdigest()
    check_unseen(bundle, [other])
    with pytest.raises(ThawError, match=f"but 2 are, first SHA-256 {SEEN[3]}"):
        check_unseen(bundle, [other, SEEN[3], SEEN[5]])


def rewrite(bundle, change, drop=()):
    """Write the manifest again, changed and with right hashes, as another version would."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    for part in drop:
        del manifest["sha256"][part]
        (bundle / part).unlink()
    manifest["sha256"]["manifest.json"] = UNKNOWN
    own = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    path.write_text(json.dumps(manifest).replace(UNKNOWN, own))


@pytest.mark.parametrize("drop", [(), ("seen_images.txt",)])
def test_a_bundle_of_before_formats_is_read(bundle, drop):
    rewrite(bundle, lambda manifest: manifest.pop("format"), drop)
    assert check_bundle(bundle)["image_size"] == 32
    if drop:
        with pytest.raises(ThawError, match=r"list the images that.*`dvc repro --force ex"):
            check_unseen(bundle, SEEN)


def test_a_bundle_of_this_format_must_list_the_images_it_has_seen(bundle):
    rewrite(bundle, lambda manifest: None, ["seen_images.txt"])
    with pytest.raises(ThawError, match=r"seen_images\.txt must have SHA-256 None, but has none"):
        check_bundle(bundle)


@pytest.mark.parametrize(
    "old",
    [
        {"labels": ["Cat", "Dog"], "image_size": 32, "precision": "float32"},  # no hashes
        {"labels": ["Cat", "Dog"], "sha256": {"model.onnx": 64 * "0", "labels.json": 64 * "0"}},
    ],
)
def test_a_manifest_that_nothing_vouches_for_is_refused(bundle, old):
    (bundle / "manifest.json").write_text(json.dumps(old))
    with pytest.raises(ThawError, match=r"with its own hash.*`dvc repro --force export`"):
        check_bundle(bundle)


@pytest.mark.parametrize("key", NEEDED)
def test_a_bundle_without_what_it_takes_is_refused(bundle, key):
    rewrite(bundle, lambda manifest: (manifest.pop(key), manifest.pop("format")))
    with pytest.raises(ThawError, match=f"must have {key}.*`dvc repro --force export`"):
        check_bundle(bundle)


def test_a_newer_format_is_refused_whatever_its_parts_are_called(bundle):
    newer = {"format": FORMAT + 1, "labels": None}
    rewrite(bundle, lambda manifest: manifest.update(newer), ["labels.json", "model.onnx"])
    with pytest.raises(ThawError, match=r"is of format 2.*`pip install --upgrade thaw`") as error:
        check_bundle(bundle)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("number", [-1, True, 1.0, "1", None])
def test_a_format_is_a_whole_number(bundle, number):
    rewrite(bundle, lambda manifest: manifest.update(format=number))
    with pytest.raises(ThawError, match=r"manifest\.json must have a format of 0 or more"):
        check_bundle(bundle)


def test_what_else_is_in_the_folder_is_ignored(bundle):
    (bundle / "notes.txt").write_text("mine")
    (bundle / "metrics.json").write_text("no JSON")
    check_bundle(bundle)
