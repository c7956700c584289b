"""Which images are explained, and how a heat map is laid over one."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from thaw.errors import ThawError
from thaw.evaluate.gradcam import (
    COLOURS,
    VALUES,
    Explained,
    choose,
    explain,
    overlay,
    read_explained,
    write_explained,
)

HEAT = arrays.arrays(np.float32, (3, 4), elements=st.floats(0, 1e6, width=32))


def test_the_choice_follows_the_hash_and_nothing_else():
    hashes = {"Cat/1": "c", "Cat/2": "a", "Dog/1": "b", "Dog/2": "e", "Dog/3": "d"}
    rows = [{"name": name, "label": name[:3], "sha256": h} for name, h in hashes.items()]
    assert choose(rows, ["Dog", "Cat"], 2) == ["Dog/1", "Dog/3", "Cat/2", "Cat/1"]
    assert choose(rows[::-1], ["Dog", "Cat"], 2) == choose(rows, ["Dog", "Cat"], 2)
    assert choose(rows, ["Cat"], 9) == ["Cat/2", "Cat/1"]


def test_nothing_to_explain_is_refused():
    with pytest.raises(ThawError, match=r"evaluate\.explain_per_class"):
        explain(None, [])


@settings(deadline=None)
@given(HEAT, st.floats(0.01, 100))
def test_an_overlay_is_an_image_and_the_scale_of_the_heat_does_not_matter(heat, scale):
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    found = overlay(image, heat)
    assert found.shape == image.shape and found.dtype == np.uint8
    again = overlay(image, heat.astype(np.float64) * scale)
    # Two roundings, to float32 and to a byte, may each tip a value over.
    if heat.max() > 1e-20:
        assert np.abs(found.astype(int) - again).max() <= 1


def test_no_heat_leaves_the_image_and_the_hottest_place_changes_most():
    image = np.full((40, 40, 3), 128, np.uint8)
    np.testing.assert_array_equal(overlay(image, np.zeros((4, 4))), image)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 5
    change = np.abs(overlay(image, heat).astype(int) - image).sum(axis=2)
    assert change[:5, 35:].min() > change[:20, :20].max()
    assert change[30:].max() == 0


def test_the_colours_are_those_of_inferno():
    expected = 255 * matplotlib.colormaps["inferno"](VALUES)[:, :3]
    assert np.abs(COLOURS - expected).max() < 3


def test_what_is_explained_reads_back_and_is_the_same_bytes_each_time(make_predictions, tmp_path):
    predictions = make_predictions(2)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 8, 8, 3), dtype=np.uint8)
    explained = Explained(predictions, images, rng.random((120, 2, 3, 3), np.float32))
    for name in ("one", "two"):
        write_explained(tmp_path / name, explained)
    for part in ("rows.csv", "images.npy", "heatmaps.npy"):
        assert (tmp_path / "one" / part).read_bytes() == (tmp_path / "two" / part).read_bytes()
    found = read_explained(tmp_path / "one")
    np.testing.assert_array_equal(found.images, images, strict=True)
    np.testing.assert_array_equal(found.heatmaps, explained.heatmaps, strict=True)
    assert found.predictions.names == predictions.names
