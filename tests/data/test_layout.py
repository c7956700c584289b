"""Each layout is recognised, labelled and counted; what two layouts could read is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaw.data.image_files import list_images
from thaw.data.layout import TableColumns, label_images, parse_table
from thaw.errors import ThawError

KAGGLE = [f"train/{label}.{n}.jpg" for label in ("cat", "dog") for n in range(3)]
UNLABELLED = ["test1/1.jpg", "test1/2.jpg"]
CLASS_FOLDERS = ["pets/Cat/1.jpg", "pets/Cat/cat.2.jpg", "pets/Dog/1.jpg"]
SPLITS = ["a/train/Cat/1.jpg", "a/train/Dog/1.jpg", "a/valid/Cat/1.jpg", "a/Test/Dog/2.jpg"]
FLAT = ["images/0001.jpg", "images/0002.jpg", "images/0003.jpg"]
TABLE = b"file,label,breed\nimages/0001.jpg,Cat,manx\nimages/0002.jpg,Dog,pug\n"


def labelled(images, layout="auto", tables=None, **columns):
    return label_images(layout, TableColumns(**columns), images, tables or {})


def labels(images, *rest, **named):
    return {file.path: file.label for file in labelled(images, *rest, **named).files}


def reasons(found):
    return {row.name: row.reason for row in found.left_out}


def refusal(*arguments, **named):
    with pytest.raises(ThawError) as error:
        labelled(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("layout", "images", "tables"),
    [
        ("folders", CLASS_FOLDERS, {}),
        ("folders", [*CLASS_FOLDERS, "pets/test1/1.jpg"], {}),
        ("folders", ["Cat/cat.1.jpg", "Cat/cat.2.jpg", "Dog/dog.1.jpg"], {}),
        ("prefix", KAGGLE, {}),
        ("prefix", KAGGLE + UNLABELLED, {}),
        ("prefix", ["great_pyrenees_1.jpg", "Bombay_2.jpg", "a cat (3).jpg"], {}),
        ("splits", SPLITS, {}),
        ("splits", ["train/Cat/1.jpg", "train/Dog/1.jpg", "test1/1.jpg"], {}),
        ("splits", ["training_set/training_set/cats/1.jpg", "test_set/test_set/cats/1.jpg"], {}),
        ("csv", FLAT, {"labels.csv": TABLE, "other.csv": b"size\n3\n", "odd.csv": b"\xff\xfe"}),
        ("csv", FLAT, {"labels.csv": TABLE, "submission.csv": b"id,label\n0001,0\n0002,0\n"}),
    ],
)
def test_a_layout_is_recognised_and_is_the_one_that_can_be_set(layout, images, tables):
    found = labelled(images, tables=tables)
    assert found.layout == layout
    assert found == labelled(images, layout, tables)


def test_prefixes_are_labels_and_numbered_files_are_left_out():
    found = labelled(KAGGLE + UNLABELLED)
    assert {file.path: file.label for file in found.files} == {
        path: path[len("train/") :][:3] for path in KAGGLE
    }
    assert reasons(found) == dict.fromkeys(UNLABELLED, "no label")
    assert set(labels(["great_pyrenees_1.jpg", "a cat (3).jpg"]).values()) == {
        "great_pyrenees", "a cat",
    }  # fmt: skip


def test_folders_of_splits_give_label_and_split():
    found = labelled([*SPLITS, "a/test/9.jpg"])
    assert [(f.name, f.label, f.attributes["split"]) for f in found.files] == [
        ("a/Test/Dog/2.jpg", "Dog", "test"),
        ("a/train/Cat/1.jpg", "Cat", "train"),
        ("a/train/Dog/1.jpg", "Dog", "train"),
        ("a/valid/Cat/1.jpg", "Cat", "val"),
    ]
    assert found.split_column == "split" and reasons(found) == {"a/test/9.jpg": "no label"}


def test_a_table_names_files_by_path_by_its_end_and_without_suffix():
    images = ["pets/images/0001.jpg", "pets/images/0002.png", "pets/images/b/0003.jpeg"]
    for names in (
        images,
        ["images/0001.jpg", "images\\0002.png", "./b/0003.jpeg"],
        ["0001", "0002", "0003"],
    ):
        rows = zip(names, ["Cat", "Dog", "Cat"], strict=True)
        table = "id,class\n" + "".join(f"{name},{label}\n" for name, label in rows)
        assert labels(images, "csv", {"t.csv": table.encode()}) == dict(
            zip(images, ["Cat", "Dog", "Cat"], strict=True)
        )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_found_or_chosen_and_the_others_become_attributes(delimiter):
    tables = {"labels.csv": b"\xef\xbb\xbf" + TABLE.replace(b",", delimiter.encode())}
    found = labelled(FLAT, tables=tables)
    assert [(f.label, f.attributes) for f in found.files] == [
        ("Cat", {"breed": "manx"}),
        ("Dog", {"breed": "pug"}),
    ]
    assert labels(FLAT, "csv", tables, label="breed") == {FLAT[0]: "manx", FLAT[1]: "pug"}
    assert "both file and label" in refusal(FLAT, "csv", tables, label="file")
    assert "no column 'name', as data.label_column" in refusal(FLAT, "csv", tables, label="name")


def test_what_a_table_cannot_label_is_left_out_by_reason():
    table = b"file,label\n0001,Cat\n0001,Cat\n0002,Dog\n0002,Cat\n0003,\n0004,Dog\n0009,Dog\n"
    images = [*FLAT, "images/0004.jpg", "images/0005.jpg"]
    found = labelled(images, tables={"t.csv": table})
    assert {file.path for file in found.files} == {"images/0001.jpg", "images/0004.jpg"}
    assert reasons(found) == {
        "images/0002.jpg": "two rows",
        "images/0003.jpg": "no label",
        "images/0005.jpg": "no label",
        "0009": "not in the source",
    }


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(NAMES, min_size=2, max_size=4, unique=True))
def test_any_class_name_can_stand_in_a_table(names):
    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    table = "file,label\n" + "".join(f"{n:04},{quoted(name)}\n" for n, name in enumerate(names))
    images = [f"images/{n:04}.jpg" for n in range(len(names))]
    assert list(labels(images, "csv", {"t.csv": table.encode()}).values()) == names


@pytest.mark.parametrize(
    ("images", "tables", "message"),
    [
        (
            ["Cat/old_1.jpg", "Cat/new_2.jpg", "Dog/1.jpg"],
            {},
            "2 do (folders: class folders Cat, Dog; prefix: 2 of 3 names",
        ),
        (KAGGLE, {"t.csv": b"id,label\ncat.0,x\ndog.0,y\n"}, "2 do (prefix: 6 of 6 names"),
        (FLAT, {"a.csv": TABLE, "b.csv": TABLE}, "set data.layout, or data.table"),
    ],
)
def test_what_two_layouts_could_read_is_refused(images, tables, message):
    assert message in refusal(images, tables=tables)


@pytest.mark.parametrize(
    ("images", "layout", "tables", "message"),
    [
        ([], "auto", {}, "class folders none"),
        (["Cat/1.jpg"], "auto", {}, "class folders Cat"),
        (["train/a.jpg", "test/b.jpg"], "auto", {}, "two classes or more"),
        (FLAT, "csv", {}, "there is no table"),
        (FLAT, "splits", {}, "class folders in folders of none"),
        (FLAT, "auto", {"t.csv": b"id,breed\n0001,pug\n"}, "none of id, breed could be"),
        (FLAT, "csv", {"t.csv": b"id,file,label\n1,1,a\n"}, "but id, file of id, file, label"),
        (
            FLAT,
            "csv",
            {"t.csv": b"id,label\nx,a\ny,b\n"},
            "['x'] names none of ['images/0001.jpg']",
        ),
        (
            ["train/1.jpg", "test/1.jpg"],
            "csv",
            {"t.csv": b"id,label\n1,a\n"},
            "'1' is test/1.jpg, train/1.jpg: write the path",
        ),
        (FLAT, "csv", {"t.csv": b'id,label\n0001,"a\nb"\n'}, "must be printable"),
    ],
)
def test_what_no_layout_can_read_is_refused_with_the_reason(images, layout, tables, message):
    assert message in refusal(images, layout, tables)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"file,file\n", "must differ"),
        (b'file,"a\nb"\n', "must be printable"),
        (b'file,label\n1,"a\nb",c\n', "must have 2 cells"),
        (b"file,label\na,Cat,Dog\n", "must have 2 cells"),
        (b'file,label\na,"' + b"x" * 140_000, "field larger"),
    ],
)
def test_a_broken_table_is_one_line(data, message):
    with pytest.raises(ThawError, match=message) as error:
        parse_table("t.csv", data)
    assert "\n" not in str(error.value)


def test_hidden_files_are_no_images():
    paths = ["Cat/1.JPG", ".NET/1.jpg", "Cat/._1.jpg", "__MACOSX/Cat/1.jpg", "Cat/Thumbs.db"]
    assert list_images(paths) == (paths[:1], paths[1:])


def test_a_thousand_classes_make_a_short_line():
    images = [f"class {n}/{k}.jpg" for n in range(1000) for k in range(2)]
    found = labelled(images)
    assert len(found.files) == 2000 and "990 more" in found.why and len(found.why) < 200
