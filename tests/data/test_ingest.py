"""Every planted fault is found, and the result does not depend on how the work is shared."""

import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT

from thaw.data.archive import open_members
from thaw.data.dataset import summary, write_images, write_inventory
from thaw.data.duplicates import group_names, near_pairs
from thaw.data.ingest import collect
from thaw.data.tables import read_classes, read_rows
from thaw.errors import ThawError
from thaw.params import load

DATA = load(ROOT / "params.yaml").data.model_copy(update={"max_megapixels": 4.0})


def ingested(source, folder, workers=1, **changes):
    """Run ingest on a source; the rows, the inventory by name, the summary and the classes."""
    with open_members(source) as members:
        dataset = collect(members, DATA.model_copy(update=changes), workers)
        write_images(folder / "images.parquet", members, dataset)
    write_inventory(folder / "inventory.csv", dataset.inventory)
    inventory = pd.read_csv(folder / "inventory.csv", keep_default_na=False)
    rows = {row["name"]: row for row in read_rows(folder / "images.parquet")}
    return rows, inventory, summary(dataset), read_classes(folder / "images.parquet")


def refusal(source, folder, **changes):
    with pytest.raises(ThawError) as caught:
        ingested(source, folder, **changes)
    assert "\n" not in str(caught.value) and not list(folder.glob("*.parquet"))
    return str(caught.value)


@pytest.fixture(scope="module")
def folder(damaged, tmp_path_factory):
    """The damaged source, unpacked."""
    path = tmp_path_factory.mktemp("folder")
    with zipfile.ZipFile(damaged) as archive:
        archive.extractall(path)
    return path


def test_planted_faults(damaged, tmp_path):
    rows, inventory, numbers, classes = ingested(damaged, tmp_path)
    reasons = dict(zip(inventory["name"], inventory["reason"]))
    assert reasons == {
        "readme[1].txt": "not an image file",
        "Cat/Thumbs.db": "not an image file",
        "Cat/empty.jpg": "empty",
        "Dog/empty.jpg": "empty",
        "Cat/half.jpg": "truncated",
        "Dog/nearly.jpg": "truncated",
        "Cat/page.jpg": "not an image",
        "Dog/huge.png": "too large",
        "Cat/copy.jpg": "duplicate",  # of Cat/7.jpg, the first by name
        "Cat/8.jpg": "two labels",
        "Dog/astray.jpg": "two labels",
        "Dog/9.jpg": "near duplicate",
        "Dog/9-small.jpg": "near duplicate",
    }
    left_out = {name for name, reason in reasons.items() if reason != "near duplicate"}
    assert not left_out & set(rows)
    assert {"Dog/png.jpg", "Cat/cmyk.jpg", "Cat/tail.jpg"} <= set(rows)
    assert classes == ["Cat", "Dog"]
    assert numbers["classes"] == {"Cat": 13, "Dog": 14}


def test_rows_are_what_was_found(damaged, tmp_path):
    rows, _, _, _ = ingested(damaged, tmp_path)
    with open_members(damaged) as members:
        assert rows["Dog/3.jpg"]["bytes"] == members.read("PetImages/Dog/3.jpg")
    assert (rows["Dog/3.jpg"]["width"], rows["Dog/3.jpg"]["height"]) == (120, 90)
    assert rows["Dog/9.jpg"]["group"] == rows["Dog/9-small.jpg"]["group"] == "Dog/9-small.jpg"
    assert list(rows) == sorted(rows)


def test_same_result_from_a_folder_and_with_two_processes(damaged, folder, tmp_path):
    ingested(damaged, tmp_path / "zip")
    ingested(folder, tmp_path / "folder", workers=2)
    for name in ("images.parquet", "inventory.csv"):
        assert (tmp_path / "zip" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()


def test_a_limit_is_met_with_usable_images_and_is_nested(damaged, tmp_path):
    ten = ingested(damaged, tmp_path / "10", limit_per_class=10)
    twelve = ingested(damaged, tmp_path / "12", limit_per_class=12)
    assert ten[2]["classes"] == {"Cat": 10, "Dog": 10}
    assert set(ten[0]) < set(twelve[0])
    first = sorted(row["sha256"] for row in ten[0].values() if row["label"] == "Cat")
    every = ingested(damaged, tmp_path / "all")[0].values()
    assert first == sorted(row["sha256"] for row in every if row["label"] == "Cat")[:10]


def test_classes_are_ordered_and_chosen(folder, tmp_path):
    assert ingested(folder, tmp_path, classes=["Dog", "Cat"])[3] == ["Dog", "Cat"]
    assert "Fox does not exist; found: Cat, Dog" in refusal(
        folder, tmp_path / "a", classes=["Fox", "Cat"]
    )


def test_one_class_in_two_folders_is_refused_by_name(folder, tmp_path):
    for part in ("one", "two"):
        shutil.copytree(folder / "PetImages", tmp_path / "pets" / part)
    message = refusal(tmp_path / "pets", tmp_path, layout="folders")
    assert "one/Cat and two/Cat" in message


def test_too_few_images_are_counted(folder, tmp_path):
    assert "Cat has 9, Dog has 9" in refusal(folder, tmp_path / "a", limit_per_class=9)
    few = tmp_path / "few"
    shutil.copytree(folder, few)
    for path in (few / "PetImages" / "Cat").glob("1*.jpg"):
        path.unlink()
    for path in (few / "PetImages" / "Cat").glob("[2-3].jpg"):
        path.write_bytes(b"")
    assert "Cat has" in refusal(few, tmp_path / "b") and "4 empty" in refusal(few, tmp_path / "b")
    (tmp_path / "none").mkdir()
    assert "class folders none" in refusal(tmp_path / "none", tmp_path / "c")


def test_hidden_and_homeless_files_are_listed(folder, tmp_path, draw, encode):
    source = tmp_path / "source"
    shutil.copytree(folder, source)
    (source / "__MACOSX" / "Cat").mkdir(parents=True)
    (source / "__MACOSX" / "Cat" / "1.jpg").write_bytes(b"fork")
    (source / "PetImages" / "Cat" / "._1.jpg").write_bytes(b"fork")
    (source / "alone.jpg").write_bytes(encode(draw(999)))
    _, inventory, numbers, _ = ingested(source, tmp_path)
    assert numbers["left_out"]["not an image file"] == 2
    hidden = inventory.loc[inventory["reason"] == "hidden", "name"]
    assert list(hidden) == ["Cat/._1.jpg", "Cat/1.jpg"]
    assert list(inventory.loc[inventory["reason"] == "no class folder", "name"]) == ["alone.jpg"]


def test_a_file_that_changes_meanwhile_is_noticed(folder, tmp_path):
    with open_members(folder) as members:
        dataset = collect(members, DATA, 1)
        changed = [replace(image, sha256="0") for image in dataset.images]
        with pytest.raises(ThawError, match="changed while it was read"):
            write_images(tmp_path / "a", members, replace(dataset, images=changed))
    assert not list(tmp_path.iterdir())


def test_metrics_are_plain_json(damaged, tmp_path):
    numbers = ingested(damaged, tmp_path)[2]
    assert json.loads(json.dumps(numbers)) == numbers
    assert numbers["left_out"] == {
        "duplicate": 1,
        "empty": 2,
        "not an image file": 2,
        "not an image": 1,
        "too large": 1,
        "truncated": 2,
        "two labels": 2,
    }
    assert numbers["images"] == 27 and numbers["groups"] == 26


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 300), min_size=1, max_size=40))
@settings(deadline=None)
def test_pairs_are_those_of_a_plain_loop(numbers):
    found = near_pairs(np.array(numbers, np.uint64), 4)
    plain = [
        (i, j)
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
        if (numbers[i] ^ numbers[j]).bit_count() <= 4
    ]
    assert sorted(zip(*map(list, found), strict=True)) == plain


def test_blocks_do_not_matter_and_chains_join(monkeypatch):
    hashes = np.random.default_rng(0).integers(0, 2**12, 300).astype(np.uint64)
    at_once = near_pairs(hashes, 2)
    monkeypatch.setattr("thaw.data.duplicates.BLOCK", 7)
    in_blocks = near_pairs(hashes, 2)
    assert set(zip(*map(list, at_once))) == set(zip(*map(list, in_blocks)))
    chain = [f"{0b0:016x}", f"{0b1111:016x}", f"{0b11111111:016x}", f"{2**60 - 1:016x}"]
    assert group_names(["c", "b", "a", "d"], chain, 4) == ["a", "a", "a", "d"]


def test_many_blank_images_are_one_group():
    names = [f"{n:05}" for n in range(50_000)]
    blank = [f"{0:016x}"] * 49_998 + [f"{0b1111:016x}", f"{2**60 - 1:016x}"]
    assert group_names(names, blank, 4) == ["00000"] * 49_999 + ["49999"]


@pytest.mark.skipif("THAW_PHOTOS" not in os.environ, reason="THAW_PHOTOS is not set")
def test_the_real_archive(tmp_path):
    source = Path(os.environ["THAW_PHOTOS"]) / "asirra-4000.zip"
    rows, inventory, numbers, _ = ingested(source, tmp_path, max_megapixels=50.0, workers=2)
    assert numbers["images"] == 4002 and numbers["classes"] == {"Cat": 2000, "Dog": 2002}
    reasons = set(zip(inventory["name"], inventory["reason"]))
    assert reasons >= {
        ("readme[1].txt", "not an image file"),
        ("Cat/Thumbs.db", "not an image file"),
        ("Dog/Thumbs.db", "not an image file"),
        ("Cat/12000.jpg", "empty"),
        ("Dog/12001.jpg", "empty"),
        ("Cat/12002.jpg", "truncated"),
        ("Dog/12003.jpg", "truncated"),
        ("Cat/12004.jpg", "not an image"),
        ("Cat/7.jpg", "duplicate"),
        ("Cat/8.jpg", "two labels"),
        ("Dog/12008.jpg", "two labels"),
    }
    assert {"Dog/12005.jpg", "Cat/12006.jpg", "Cat/12007.jpg"} <= set(rows)
    assert rows["Dog/12009.jpg"]["group"] == rows["Dog/9.jpg"]["group"]
    assert numbers["groups"] >= 3990
