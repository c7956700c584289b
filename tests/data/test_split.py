"""A split is fair to every class, keeps groups together, and is refused when it was tampered."""

import random
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from damage import assert_noticed
from hypothesis import given, settings
from hypothesis import strategies as st

from thaw.data import split as module
from thaw.data.split import make_split
from thaw.data.tables import (
    SPLITS,
    read_classes,
    read_images,
    read_rows,
    read_split,
    read_split_column,
    write_split,
    write_table,
)
from thaw.errors import ThawError


def images(sizes, group_of=lambda name: name):
    names = [(f"{label}/{n}.jpg", label) for label, size in sizes.items() for n in range(size)]
    return pd.DataFrame(
        [{"name": name, "label": label, "group": group_of(name)} for name, label in names]
    )


def split_of(table):
    return dict(zip(table["name"], table["split"]))


def stored(table, path):
    schema = pa.schema([(key, pa.string()) for key in ("name", "label", "group", "sha256")])
    rows = table.assign(sha256=table["name"])[schema.names].sort_values("name")
    write_table(path, schema, iter(rows.to_dict("records")), sorted(set(table["label"])))
    return path


def test_fractions_are_met_within_an_image():
    table = make_split(images({"Cat": 2000, "Dog": 1003, "Fox": 40}), 0.2, 0.25, 5, 20)
    counts = Counter(zip(table["label"], table["split"]))
    for label, size in (("Cat", 2000), ("Dog", 1003), ("Fox", 40)):
        assert abs(counts[label, "test"] - 0.25 * size) <= 1
        assert abs(counts[label, "val"] - 0.2 * size) <= 1
    folds = table[table["split"] != "test"].groupby(["label", "fold"]).size().unstack()
    assert (folds.max(axis=1) - folds.min(axis=1) <= 1).all()


def test_the_seed_and_nothing_else_decides():
    table = images({"Cat": 60, "Dog": 60})
    first = make_split(table, 0.2, 0.25, 5, 1)
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(first, make_split(shuffled, 0.2, 0.25, 5, 1))
    assert split_of(first) != split_of(make_split(table, 0.2, 0.25, 5, 2))


def test_a_new_image_moves_few_others():
    before = split_of(make_split(images({"Cat": 400, "Dog": 400}), 0.2, 0.25, 5, 1))
    after = split_of(make_split(images({"Cat": 401, "Dog": 400}), 0.2, 0.25, 5, 1))
    assert sum(before[name] != after[name] for name in before) <= 4


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(10, 60), min_size=2, max_size=4),
    joins=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=12),
    fractions=st.tuples(st.floats(0.05, 0.4), st.floats(0.05, 0.4)),
    folds=st.integers(2, 4),
    seed=st.integers(0, 2**40),
)
def test_any_table_is_split_whole_or_refused(sizes, joins, fractions, folds, seed):
    table = images({f"class {n}": size for n, size in enumerate(sizes)})
    for one, other in joins:  # groups of any size, across labels too
        one, other = (table["group"][n % len(table)] for n in (one, other))
        table.loc[table["group"] == one, "group"] = other
    try:
        result = make_split(table, *fractions, folds, seed)
    except ThawError:
        assert joins or min(sizes) < 15  # single images, enough of them, always go
        return
    assert sorted(result["name"]) == sorted(table["name"])
    assert (result.groupby("group")[["split", "fold"]].nunique() == 1).all(axis=None)
    assert set(zip(result["label"], result["split"])) == {
        (label, split) for label in set(table["label"]) for split in SPLITS
    }
    assert set(result["fold"]) == {-1, *range(folds)}
    largest = table.groupby("group").size().max()
    for label, size in Counter(table["label"]).items():
        for split, fraction in zip(("val", "test"), fractions, strict=True):
            got = ((result["label"] == label) & (result["split"] == split)).sum()
            assert joins or abs(got - max(1, fraction * size)) <= 1
            assert abs(got - max(1, fraction * size)) <= largest * (1 + len(joins))


def test_impossible_splits_are_refused_by_name():
    one = images({"Cat": 30, "Dog": 30}, lambda name: "Dog" if "Dog" in name else name)
    with pytest.raises(ThawError, match="no Dog, which has 30 images in 1 groups"):
        make_split(one, 0.2, 0.25, 2, 0)
    with pytest.raises(ThawError, match=r"split.folds is 9 and Cat has only 8"):
        make_split(images({"Cat": 10, "Dog": 30}), 0.2, 0.25, 9, 0)


def test_a_class_in_one_fold_is_refused_by_name(monkeypatch):
    """Few large groups of several classes may be divided so."""
    table = images({"Cat": 30, "Dog": 30})
    monkeypatch.setattr(module, "_folds", lambda rows, *_: np.where(rows["split"] == "test", -1, 0))
    with pytest.raises(ThawError, match="all groups of Cat in train and val are in one: set"):
        make_split(table, 0.2, 0.25, 2, 0)


@pytest.fixture
def written(tmp_path):
    table = images({"Cat": 20, "NA": 20, "1": 20})
    images_path = stored(table, tmp_path / "images.parquet")
    write_split(tmp_path / "split.csv", make_split(table, 0.2, 0.25, 3, 0), images_path)
    return tmp_path / "split.csv", images_path


def test_what_is_written_is_read(written):
    path, images_path = written
    table = read_split(path, images_path)
    assert list(table.columns) == ["name", "label", "group", "split", "fold"]
    assert set(table["label"]) == {"Cat", "NA", "1"} and table["fold"].dtype.kind == "i"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pd.concat([t, t[:1]]), "images appear more than once"),
        (
            lambda t: t.assign(split=t["split"].replace("val", "valid")),
            "are in none of train, val, test",
        ),
        (lambda t: t.assign(group=t["name"].str[-5:]), "groups appear in more than one split"),
        (lambda t: t.assign(fold=0), "have a fold in test"),
        (
            lambda t: t[(t["label"] != "NA") | (t["split"] != "val")],
            "missing from a split, first NA from val",
        ),
        (lambda t: t[1:], "do not match the table of images"),
        (
            lambda t: t.assign(label=t["label"].replace({"NA": "Cat"})),
            "do not match the table of images",
        ),
        (lambda t: t.drop(columns="fold"), "must have the columns"),
        (lambda t: t.assign(fold=t["fold"] + 0.5), "is damaged"),
        (lambda t: t.iloc[:0], "has no row"),
    ],
)
def test_tampering_is_noticed(written, change, message):
    path, images_path = written
    change(read_split(path, images_path)).to_csv(path, index=False)
    with pytest.raises(ThawError, match=message):
        read_split(path, images_path)


def test_one_content_in_two_splits_is_noticed(written, tmp_path):
    table = read_split(*written)
    schema = pa.schema([(key, pa.string()) for key in ("name", "label", "group", "sha256")])
    rows = table.assign(sha256="same")[schema.names].to_dict("records")
    write_table(tmp_path / "other.parquet", schema, iter(rows), ["1"])
    with pytest.raises(ThawError, match=f"{len(table)} images appear in more than one split"):
        read_split(written[0], tmp_path / "other.parquet")


def test_damaged_files_are_named(written):
    path, images_path = written
    assert_noticed(path, lambda: read_split(path, images_path))
    for read in (read_classes, read_images, read_split_column, lambda images: [*read_rows(images)]):
        assert_noticed(images_path, partial(read, images_path))
    assert_noticed(images_path, lambda: read_split(path, images_path))


def test_every_flipped_bit_in_an_image_is_noticed(tmp_path):
    path, image = tmp_path / "images.parquet", random.Random(0).randbytes(500)
    schema = pa.schema([("name", pa.string()), ("bytes", pa.binary())])
    write_table(path, schema, iter([{"name": "a.png", "bytes": image}]), ["Cat"])
    whole = path.read_bytes()
    start = whole.index(len(image).to_bytes(4, "little") + image)  # the minimum is stored, too
    for bit in random.Random(1).sample(range(8 * len(image)), 50):
        damaged = bytearray(whole)
        damaged[start + 4 + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ThawError, match=r"images\.parquet must be as the pipeline wrote it"):
            list(read_rows(path))
