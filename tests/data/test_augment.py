"""Views depend on their seed, image and number alone, and do what their ranges say."""

import os
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from thaw.data.augment import encode_jpeg, make_view
from thaw.data.tables import read_rows, read_split
from thaw.data.views import ViewSettings, write_views
from thaw.errors import ThawError
from thaw.images import decode
from thaw.params import Augment, load

ROOT = Path(__file__).parents[2]
LIMITS = {  # the upper end of each range
    name: next(bound.le for bound in field.metadata if hasattr(bound, "le"))
    for name, field in Augment.model_fields.items()
    if field.annotation is float
}
OFF = Augment(
    views=1,
    extra_views={},
    flip=False,
    **dict.fromkeys(LIMITS, 0.0),
)


def off(**changes):
    """Nothing on but `changes`."""
    return Augment(**(OFF.model_dump() | changes))


SHA = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def image(draw):
    return np.asarray(draw(0, 64, 64))


def test_all_off_is_the_image(image):
    assert np.array_equal(make_view(image, OFF, 0, SHA, 1), image)


def test_half_of_the_views_are_flipped_exactly(image):
    views = [make_view(image, off(flip=True), 0, SHA, k) for k in range(1, 101)]
    flipped = sum(np.array_equal(seen, image[:, ::-1]) for seen in views)
    assert flipped + sum(np.array_equal(seen, image) for seen in views) == 100
    assert 30 <= flipped <= 70


CHANGES = st.fixed_dictionaries(
    {"flip": st.booleans()} | {key: st.floats(0, min(limit, 360)) for key, limit in LIMITS.items()}
)


@settings(deadline=None, max_examples=60)
@given(ranges=CHANGES, seed=st.integers(0, 2**32), k=st.integers(1, 50))
def test_any_ranges_give_the_same_view_twice(image, ranges, seed, k):
    strong = off(**ranges)
    seen = make_view(image, strong, seed, SHA, k)
    assert seen.shape == image.shape and seen.dtype == np.uint8
    assert np.array_equal(seen, make_view(image, strong, seed, SHA, k))


def test_seed_image_and_number_all_matter(image):
    turned = off(rotation=30.0)
    views = [
        make_view(image, turned, *key)
        for key in ((0, SHA, 1), (1, SHA, 1), (0, SHA, 2), (0, "f" * 64, 1))
    ]
    assert len({seen.tobytes() for seen in views}) == 4


@pytest.mark.parametrize("key", LIMITS)
def test_each_range_changes_the_image(image, key):
    some = off(**{key: min(20.0, LIMITS[key] / 2)})
    assert any(not np.array_equal(make_view(image, some, 0, SHA, k), image) for k in range(1, 9))


def test_sampling_agrees_with_scipy(draw):
    """A turn and a shift, sampled bilinearly and reflected at the edges."""
    image = np.asarray(draw(4, 96, 96))
    settings = off(rotation=40.0, shift=0.2)
    signed = np.random.default_rng([3, int(SHA[:16], 16), 1]).random(1 + 8)[1:] * 2 - 1
    turn = np.deg2rad(40.0 * signed[0])
    rows, columns = (np.mgrid[:96, :96] + 0.5) / 96 - 0.5
    x = np.cos(turn) * columns - np.sin(turn) * rows + 0.2 * signed[1]
    y = np.sin(turn) * columns + np.cos(turn) * rows + 0.2 * signed[2]
    at = [(y + 0.5) * 96 - 0.5, (x + 0.5) * 96 - 0.5]
    plain = [
        map_coordinates(image[..., c].astype(float), at, order=1, mode="reflect") for c in range(3)
    ]
    assert np.abs(np.stack(plain, -1) - make_view(image, settings, 3, SHA, 1)).max() <= 1.01


def test_a_fine_map_of_cells_agrees_with_one_cell(image):
    turned = off(rotation=40.0, zoom=0.3, shear=10.0)
    bent = off(rotation=40.0, zoom=0.3, shear=10.0, elastic=1e-9)
    gap = make_view(image, turned, 0, SHA, 1).astype(int) - make_view(image, bent, 0, SHA, 1)
    assert np.abs(gap).max() <= 1


def test_erasing_keeps_to_its_area(image):
    for k in range(1, 30):
        changed = (make_view(image, off(erase=0.2), 0, SHA, k) != image).any(axis=2)
        assert changed.mean() <= 0.22


def test_a_stored_view_is_nearly_the_view(image):
    gap = decode(encode_jpeg(image), 64).astype(int) - image
    assert np.abs(gap).mean() < 2


@pytest.fixture(scope="module")
def pipeline(damaged, tmp_path_factory):
    """ingest, split and augment, run as scripts in a project of their own."""
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"] |= {"source": str(damaged), "watch": str(damaged), "max_megapixels": 4.0}
    params["split"]["folds"], params["base"]["image_size"] = 3, 48
    params["augment"] |= {"views": 1, "extra_views": {"Cat": 1}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    before = Path.cwd()
    try:
        os.chdir(folder)
        for stage in ("ingest", "split", "augment"):
            runpy.run_path(str(ROOT / "stages" / f"{stage}.py"), run_name="__main__")
    finally:
        os.chdir(before)
    return folder


def train_of(folder):
    split = read_split(folder / "data/split.csv", folder / "data/images.parquet")
    return split[split["split"] == "train"]


def test_stages_write_what_they_declare(pipeline):
    for name in ("images.parquet", "inventory.csv", "split.csv", "views.parquet"):
        assert (pipeline / "data" / name).stat().st_size
    for name in ("dataset.png", "augmentation.png"):
        assert (pipeline / "plots" / name).read_bytes().startswith(b"\x89PNG")
    assert not list(pipeline.glob("data/.*"))


def test_views_are_of_train_alone_and_of_chosen_classes_more(pipeline):
    rows = list(read_rows(pipeline / "data/views.parquet"))
    expected = [
        (name, k)
        for name, label in zip(train_of(pipeline)["name"], train_of(pipeline)["label"])
        for k in range(1, (3 if label == "Cat" else 2))
    ]
    assert [(row["name"], row["k"]) for row in rows] == expected
    assert decode(rows[0]["bytes"], 48).shape == (48, 48, 3)


def test_views_do_not_depend_on_the_number_of_processes(pipeline, tmp_path):
    settings = ViewSettings(load(pipeline / "params.yaml").augment, 48, "squash", 20)
    train = set(train_of(pipeline)["name"])
    write_views(tmp_path / "one", pipeline / "data/images.parquet", train, settings, 1)
    assert (tmp_path / "one").read_bytes() == (pipeline / "data/views.parquet").read_bytes()


def test_no_views_and_unknown_classes(pipeline, tmp_path):
    images, train = pipeline / "data/images.parquet", set(train_of(pipeline)["name"])
    write_views(tmp_path / "none", images, train, ViewSettings(off(views=0), 48, "squash", 20), 1)
    assert list(read_rows(tmp_path / "none")) == []
    with pytest.raises(ThawError, match="but has Fox; the classes are Cat, Dog"):
        settings = ViewSettings(off(extra_views={"Fox": 1}), 48, "squash", 20)
        write_views(tmp_path / "x", images, train, settings, 1)
    assert not (tmp_path / "x").exists()
