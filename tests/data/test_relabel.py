"""Corrected labels are honoured by ingest, for an image and all its copies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT

from thaw.data.archive import open_members
from thaw.data.dataset import in_one_line, summary
from thaw.data.ingest import collect
from thaw.data.layout import SourceFile
from thaw.data.relabel import relabel
from thaw.errors import ThawError
from thaw.params import load

DATA = load(ROOT / "params.yaml").data.model_copy(update={"max_megapixels": 4.0})
HEADER = "name,label\n"


@pytest.fixture
def collected(damaged, tmp_path):
    """A function that ingests the damaged archive with a table of labels: what was found."""

    def run(table, **changes):
        path = tmp_path / "relabel.csv"
        path.write_bytes(table if isinstance(table, bytes) else (HEADER + table).encode())
        with open_members(damaged) as members:
            return collect(members, DATA.model_copy(update=changes | {"relabel": str(path)}), 1)

    return run


def labels(dataset):
    return {image.file.name: image.file.label for image in dataset.images}


def reasons(dataset):
    return {row.name: row.reason for row in dataset.inventory}


def counts(dataset):
    numbers = summary(dataset)
    return numbers["relabelled"], numbers["dropped"], numbers["left_out"].get("dropped", 0)


def test_a_new_label_counts_and_the_name_stays(collected):
    before = collected("")
    after = collected("Cat/3.jpg,Dog\nDog/4.jpg, \nDog/5.jpg,Dog\n")
    assert labels(before)["Cat/3.jpg"] == "Cat" and counts(before) == (0, 0, 0)
    assert counts(after) == (1, 1, 1) and "1 dropped" in in_one_line(after)
    expected = labels(before) | {"Cat/3.jpg": "Dog"}
    del expected["Dog/4.jpg"]
    assert labels(after) == expected
    assert summary(after)["classes"] == {"Cat": 12, "Dog": 14}


def test_identical_files_that_now_agree_are_duplicates(collected):
    found = collected("Dog/astray.jpg,Cat\n")
    assert labels(found)["Cat/8.jpg"] == "Cat"
    assert reasons(found)["Dog/astray.jpg"] == "duplicate" and counts(found) == (1, 0, 0)


def test_of_two_labels_the_wrong_one_can_be_dropped(collected):
    found = collected("Dog/astray.jpg,\n")
    assert labels(found)["Cat/8.jpg"] == "Cat" and reasons(found)["Dog/astray.jpg"] == "dropped"


def test_no_copy_returns_in_place_of_a_dropped_image(collected):
    for name in ("Cat/7.jpg", "Cat/copy.jpg"):
        found = collected(f"{name},\n")
        assert not {"Cat/7.jpg", "Cat/copy.jpg"} & labels(found).keys()
        assert reasons(found)["Cat/7.jpg"] == reasons(found)["Cat/copy.jpg"] == "dropped"
        assert counts(found) == (0, 2, 2)


def test_copies_get_the_new_label_too(collected):
    found = collected("Cat/7.jpg,Dog\n")
    assert labels(found)["Cat/7.jpg"] == "Dog" and counts(found) == (2, 0, 0)
    assert reasons(found)["Cat/copy.jpg"] == "duplicate"
    with pytest.raises(ThawError, match=r"Cat/7.jpg gets 'Dog' and Cat/copy.jpg ''"):
        collected("Cat/7.jpg,Dog\nCat/copy.jpg,\n")


def test_a_limit_counts_new_labels(collected):
    moved = [f"Cat/{number}.jpg" for number in range(3)]
    found = collected("".join(f"{name},Dog\n" for name in moved), limit_per_class=10)
    assert summary(found)["classes"] == {"Cat": 10, "Dog": 10}
    every = collected("".join(f"{name},Dog\n" for name in moved))
    dogs = sorted(image.sha256 for image in every.images if image.file.label == "Dog")
    assert sorted(i.sha256 for i in found.images if i.file.label == "Dog") == dogs[:10]


def test_an_image_of_a_class_that_is_not_used_can_be_moved_into_one_that_is(draw, encode, tmp_path):
    source = tmp_path / "source"
    for index, label in enumerate(("Cat", "Dog", "Fox")):
        (source / label).mkdir(parents=True)
        for number in range(12):
            (source / label / f"{number}.jpg").write_bytes(encode(draw(100 * index + number)))
    (tmp_path / "relabel.csv").write_text(f"{HEADER}Fox/1.jpg,Cat\nFox/2.jpg,\n")
    changes = {"classes": ["Dog", "Cat"], "relabel": str(tmp_path / "relabel.csv")}
    with open_members(source) as members:
        found = collect(members, DATA.model_copy(update=changes), 1)
    assert labels(found)["Fox/1.jpg"] == "Cat" and len(found.images) == 25
    assert found.classes == ["Dog", "Cat"] and counts(found) == (1, 1, 1)
    assert found.unused["of other classes"] == 10


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "Cat/x.jpg,Dog\nCat/y.jpg,\nCat/1.jpg,Dog\n",
            "not with 'Cat/x.jpg', 'Cat/y.jpg' .2 in all",
        ),
        ("".join(f"{n}.jpg,Dog\n" for n in range(30)), "must name images .*, 20 more .30 in all"),
        ('"Cat/\n1.jpg",Dog\n', r"not with 'Cat/\\n1.jpg' .1 in all"),
        ("Cat/1.jpg,dog\n", "labels of the classes Cat, Dog, or none .* does not with 'dog' .1 in"),
        (
            "Cat/1.jpg,Dog\nCat/1.jpg,\n",
            "an image one label, but .* does not with 'Cat/1.jpg' .1 in",
        ),
        ("Cat/1.jpg\n", "each row of .*relabel.csv must have 2 cells"),
        (b"file,label\n", "must have the columns name and label, but .* has file, label: name"),
        (b"", "must have the columns name and label, but .* has none: name"),
        (b"\xff\xfe\0", "must be a table as UTF-8 text, but is not"),
        (b"name,label,name\n", "must differ"),
    ],
)
def test_mistakes_are_one_line(collected, table, message):
    with pytest.raises(ThawError, match=message) as caught:
        collected(table)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_missing_or_no_file_is_one_line(damaged, tmp_path):
    for name, message in (("none.csv", "none.csv does not exist"), (".", "cannot be read")):
        changed = DATA.model_copy(update={"relabel": str(tmp_path / name)})
        with open_members(damaged) as members, pytest.raises(ThawError, match=message):
            collect(members, changed, 1)


def test_a_row_may_name_an_image_by_its_hash(collected):
    before = collected("")
    hashes = {image.file.name: f"sha256:{image.sha256}" for image in before.images}
    after = collected(
        f"{hashes['Cat/3.jpg']},Cat\n{hashes['Cat/3.jpg']},Dog\n"  # the last counts
        f"{hashes['Dog/4.jpg']},Cat\nDog/4.jpg,\n"  # a name counts more
        f"sha256:{64 * 'a'},Cat\n"  # no image of the data
    )
    expected = labels(before) | {"Cat/3.jpg": "Dog"}
    del expected["Dog/4.jpg"]
    assert labels(after) == expected and counts(after) == (1, 1, 1)


FILES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ABC")), max_size=12)


@given(FILES, st.data())
def test_what_is_said_of_one_holds_for_its_copies_and_for_no_other(files, data):
    by_sha: dict[str, list[SourceFile]] = {}
    for number, (sha, label) in enumerate(files):
        by_sha.setdefault(str(sha), []).append(SourceFile(f"{number}.jpg", label, f"{number}.jpg"))
    said = data.draw(st.dictionaries(st.sampled_from(files or [(0, "A")]), st.sampled_from("ABC|")))
    new = {
        file.name: said[int(sha), file.label].strip("|")
        for sha, same in by_sha.items()
        for file in same
        if (int(sha), file.label) in said and data.draw(st.booleans())
    }
    named = {files[int(name.removesuffix(".jpg"))] for name in new}
    kept, dropped, count = relabel(by_sha, new)
    assert {row.reason for row in dropped} <= {"dropped"}
    found = {file.name: file.label for same in kept.values() for file in same}
    found |= {row.name: "" for row in dropped}
    assert found == {
        f"{number}.jpg": said[one].strip("|") if one in named else one[1]
        for number, one in enumerate(files)
    }
    changed = [found[f"{number}.jpg"] not in ("", one[1]) for number, one in enumerate(files)]
    assert count == sum(changed)
    assert relabel(kept, new)[:2] == (kept, [])
