"""A bundle notices every change of its parts, and knows the images that it has seen."""

import hashlib
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaw.bundle import check_bundle, check_unseen, write_bundle
from thaw.errors import ThawError

PARTS = ("manifest.json", "labels.json", "seen_images.txt", "model.onnx")
SEEN = [hashlib.sha256(bytes([number])).hexdigest() for number in range(7)]


@pytest.fixture
def bundle(tmp_path):
    model = random.Random(0).randbytes(400)
    write_bundle(tmp_path / "bundle", model, ["Cat", "Dög"], {"image_size": 32}, SEEN)
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
    write_bundle(tmp_path / "bundle", b"model", ["a", "b"], {"later": [1]})
    assert json.loads((tmp_path / "bundle/manifest.json").read_text())["later"] == [1]
    check_bundle(tmp_path / "bundle")


def test_images_that_the_bundle_has_seen_are_refused_and_others_are_not(bundle):
    other = hashlib.sha256(b"other").hexdigest()
    check_unseen(bundle, [other])
    with pytest.raises(ThawError, match=f"but 2 are, first SHA-256 {SEEN[3]}"):
        check_unseen(bundle, [other, SEEN[3], SEEN[5]])
