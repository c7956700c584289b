"""Given splits are kept but for their leaks, and images of one value stay together."""

import hashlib
import json
import logging

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaw.data.given_split import add_given
from thaw.data.split import make_split
from thaw.data.tables import LEAK
from thaw.errors import ThawError


def images(rows):
    """rows: (name, label, group, attributes, copies), where copies are (name, attributes)."""
    table = pd.DataFrame(rows, columns=["name", "label", "group", "attributes", "copies"])
    return table.assign(
        attributes=table["attributes"].map(json.dumps),
        copies=[
            json.dumps([{"name": name, "attributes": values} for name, values in copies])
            for copies in table["copies"]
        ],
    )


def plain(count=20, splits=("train", "train", "Valid", "test")):
    """Two classes, `count` images of each, with the splits in turn."""
    return [
        (f"{label}{n:02}", label, f"{label}{n:02}", {"part": splits[n % len(splits)]}, [])
        for label in ("Cat", "Dog")
        for n in range(count)
    ]


def split(rows, column="part", group_column=None, on_leak="drop"):
    table = add_given(images(rows), column, group_column, on_leak)
    return make_split(table, 0.2, 0.25, 2, 7).set_index("name")["split"]


def changed(rows, name, **fields):
    keys = ["name", "label", "group", "attributes", "copies"]
    return [
        tuple((dict(zip(keys, row)) | (fields if row[0] == name else {})).values()) for row in rows
    ]


def test_given_splits_are_kept():
    found = split(plain())
    assert found.groupby(found).size().to_dict() == {"train": 20, "val": 10, "test": 10}
    assert found["Cat02"] == "val" and found["Dog03"] == "test" and found["Dog01"] == "train"


def test_a_split_that_is_not_given_is_taken_from_train_by_the_usual_rule():
    found = split(plain(splits=("train", "train", "train", "test")))
    assert found.groupby(found).size().to_dict() == {"train": 24, "val": 6, "test": 10}
    found = split(plain(splits=("train",)))
    assert found.groupby(found).size().to_dict() == {"train": 22, "val": 8, "test": 10}


def test_leaks_are_taken_out_of_train_then_of_val_and_named(caplog):
    rows = plain()
    rows = changed(rows, "Cat00", group="Cat03")  # train, like test
    rows = changed(rows, "Cat01", group="Cat03")  # train, too
    rows = changed(rows, "Dog02", group="Dog03")  # val, like test
    rows = changed(rows, "Dog00", group="Dog06")  # train, like val
    with caplog.at_level(logging.INFO, "thaw"):
        found = split(rows)
    lost = {"Cat00", "Cat01", "Dog00", "Dog02"}
    assert set(found.index[found == LEAK]) == lost
    assert (found.drop(list(lost)) == split(plain()).drop(list(lost))).all()
    [line] = caplog.messages
    assert line.startswith(
        "4 images are also in another given split (3 of train, 1 of val), first Cat00 in train, "
        "like Cat03 in test"
    )


def test_an_identical_copy_that_ingest_left_out_counts(caplog):
    rows = changed(plain(), "Cat00", copies=[("same", {"part": "test"})])
    rows = changed(rows, "Cat03", copies=[("again", {"part": "train"}), ("and", {"part": "val"})])
    found = split(rows)
    assert found["Cat00"] == "test" and found["Cat03"] == "test" and LEAK not in set(found)
    assert "3 images are also in another given split (2 of train, 1 of val)" in caplog.text


def test_a_leak_can_be_an_error():
    assert set(split(plain(), on_leak="error")) == {"train", "val", "test"}
    with pytest.raises(
        ThawError, match=r"1 images are .* first Cat00 in train, like Cat03 in test"
    ):
        split(changed(plain(), "Cat00", group="Cat03"), on_leak="error")


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=12),
    st.lists(st.sampled_from("abcd ") | st.just(""), min_size=40, max_size=40),
)
def test_a_value_and_its_near_duplicates_stay_together(joins, values):
    rows = [
        (name, label, group, {"person": value.strip() and f"{value}{n % 7}"}, [])
        for n, ((name, label, group, _, _), value) in enumerate(zip(plain(), values, strict=True))
    ]
    for one, other in joins:
        rows = changed(rows, rows[one][0], group=rows[other][2])
    table = add_given(images(rows), None, "person", "drop")
    assert "given" not in table
    group = dict(zip(table["name"], table["group"]))
    for one in rows:
        for other in rows:
            alike = one[2] == other[2] or one[3]["person"] == other[3]["person"] != ""
            assert not alike or group[one[0]] == group[other[0]]
    assert all(name >= group[name] for name in group)


def test_a_person_in_two_given_splits_is_a_leak():
    rows = [
        (name, label, group, values | {"person": "Ann" if name in ("Cat00", "Cat03") else ""}, [])
        for name, label, group, values, _ in plain()
    ]
    found = split(rows, group_column="person")
    assert list(found.index[found == LEAK]) == ["Cat00"]
    table = add_given(images(rows), None, "person", "drop")
    folds = make_split(table, 0.2, 0.25, 2, 7).set_index("name")
    assert folds.loc["Cat00", "fold"] == folds.loc["Cat03", "fold"]
    assert folds.loc["Cat00", "group"] == folds.loc["Cat03", "group"] == "Cat00"


def test_what_a_column_cannot_say_is_refused():
    with pytest.raises(ThawError, match="must hold train, val or test, but 1 images have 'dev', f"):
        split(changed(plain(), "Cat00", attributes={"part": "dev"}))
    with pytest.raises(ThawError, match=r"split.column must be .* but is 'set'; there are part"):
        split(plain(), column="set")
    with pytest.raises(
        ThawError, match=r"split.group_column must be .* the images have no columns"
    ):
        add_given(images(plain()).drop(columns=["attributes", "copies"]), None, "who", "drop")
    with pytest.raises(ThawError, match="val would have no Dog, which has 20 images"):
        split([row if row[1] == "Cat" else (*row[:3], without_val(row), []) for row in plain()])


def without_val(row):
    return {"part": "test" if row[3]["part"] == "test" else "train"}


def test_without_given_splits_the_split_is_what_it_was():
    sizes = {"Cat": 40, "Dog": 33, "Été, 1": 25}
    names = [(f"{label}/{n}.jpg", label) for label, size in sizes.items() for n in range(size)]
    table = pd.DataFrame([{"name": name, "label": label, "group": name} for name, label in names])
    table.loc[table.index % 7 == 3, "group"] = table["group"].shift(2)
    written = make_split(table, 0.2, 0.25, 4, 20).to_csv(index=False, lineterminator="\n")
    assert hashlib.sha256(written.encode()).hexdigest() == (
        "b5e42d9cd847cd1e2ea621845118720e83b2ce5fa0ac0d79ceac004b776d3bc7"
    )
