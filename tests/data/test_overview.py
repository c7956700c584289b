"""What the data are, counted from the tables of ingest and split."""

import pandas as pd
import pytest

from thaw.data.overview import near_duplicates, read_left_out, split_counts
from thaw.errors import ThawError

COLUMNS = ["name", "label", "group", "split"]


def table(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def test_images_are_counted_by_class_and_split():
    found = split_counts(table(("a", "Dog", "a", "test"), ("b", "Cat", "b", "train")))
    assert found.to_dict() == {
        "train": {"Cat": 1, "Dog": 0},
        "val": {"Cat": 0, "Dog": 0},
        "test": {"Cat": 0, "Dog": 1},
    }
    leaked = split_counts(table(("a", "Dog", "a", "leak"), ("b", "Cat", "b", "train")))
    assert list(leaked) == ["train", "val", "test", "leak"]


def test_groups_of_two_or_more_are_near_duplicates_the_largest_first():
    found = near_duplicates(
        table(
            *(("a", "Cat", "a", "val"), ("b", "Cat", "a", "val"), ("c", "Cat", "c", "val")),
            *((name, "Dog", "d", "train") for name in "def"),
        )
    )
    assert [list(group["name"]) for group in found] == [["d", "e", "f"], ["a", "b"]]


def test_near_duplicates_are_not_left_out(tmp_path):
    path = tmp_path / "inventory.csv"
    head = "name,label,reason,detail\n"
    path.write_text(head + "null,NA,empty,\nb,Cat,near duplicate,group b\n")
    assert read_left_out(path).to_numpy().tolist() == [["null", "NA", "empty", ""]]
    path.write_text(head)
    assert read_left_out(path).empty
    path.write_text("name\n")
    with pytest.raises(ThawError, match="must have the columns name, label, reason, detail"):
        read_left_out(path)
