"""The choice of images to explain, and the overlay of heatmaps."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from thaw.errors import ThawError
from thaw.evaluate.gradcam import (
    Explained,
    choose,
    explain,
    read_explained,
    write_explained,
)
from thaw.overlay import COLOURS, VALUES, overlay

HEATMAP = arrays.arrays(np.float32, (3, 4), elements=st.floats(0, 1e6, width=32))


def test_images_are_chosen_by_sha256_only():
    hashes = {"Cat/1": "c", "Cat/2": "a", "Dog/1": "b", "Dog/2": "e", "Dog/3": "d"}
    rows = [{"name": name, "label": name[:3], "sha256": h} for name, h in hashes.items()]
    assert choose(rows, ["Dog", "Cat"], 2) == ["Dog/1", "Dog/3", "Cat/2", "Cat/1"]
    assert choose(rows[::-1], ["Dog", "Cat"], 2) == choose(rows, ["Dog", "Cat"], 2)
    assert choose(rows, ["Cat"], 9) == ["Cat/2", "Cat/1"]


def test_no_image_to_explain_is_an_error():
    with pytest.raises(ThawError, match=r"split\.test"):
        explain(None, [])


@settings(deadline=None)
@given(HEATMAP, st.floats(0.01, 100))
def test_an_overlay_does_not_depend_on_the_scale_of_the_heatmap(heatmap, scale):
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    found = overlay(image, heatmap)
    assert found.shape == image.shape and found.dtype == np.uint8
    again = overlay(image, heatmap.astype(np.float64) * scale)
    # Rounding to float32 and then to uint8 may change a value by 1.
    if heatmap.max() > 1e-20:
        assert np.abs(found.astype(int) - again).max() <= 1


def test_zeros_leave_the_image_and_the_maximum_changes_it_most():
    image = np.full((40, 40, 3), 128, np.uint8)
    np.testing.assert_array_equal(overlay(image, np.zeros((4, 4))), image)
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[0, 3] = 5
    change = np.abs(overlay(image, heatmap).astype(int) - image).sum(axis=2)
    assert change[:5, 35:].min() > change[:20, :20].max()
    assert change[30:].max() == 0


def test_the_colours_are_those_of_inferno():
    expected = 255 * matplotlib.colormaps["inferno"](VALUES)[:, :3]
    assert np.abs(COLOURS - expected).max() < 3


def test_explained_round_trip_is_exact_and_reproducible(make_predictions, tmp_path):
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
