"""True labels by folder, and by table."""

import pytest

from thaw.data.truth import truth_of
from thaw.errors import ThawError


def test_the_folder_of_an_image():
    truth = truth_of("folders")
    names = ("photos/Cat/1.jpg", "more.zip/Dog/2.jpg", "3.jpg")
    assert [truth(name) for name in names] == ["Cat", "Dog", None]


def test_a_table_names_images_from_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    rows = [
        "path,note,label",
        "1.jpg,,Cat ",
        "../a.zip/2.jpg,,Dog",
        f"{tmp_path}/3.jpg,,Cat",
        "4.jpg,,",
    ]
    (tmp_path / "photos/labels.csv").write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")
    truth = truth_of("photos/labels.csv")
    names = ["photos/1.jpg", "./photos/1.jpg", "a.zip/2.jpg", "3.jpg", "photos/4.jpg", "1.jpg"]
    assert [truth(name) for name in names] == ["Cat", "Cat", "Dog", "Cat", None, None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "labels.csv"),
        (b"", "columns path and label .* has none and 0 rows"),
        (b"path,label\n", "and 0 rows"),
        (b"file,label\na,b\n", "has file, label"),
        (b"path,label\n\xff,Cat\n", "must be UTF-8 CSV"),
    ],
)
def test_a_table_that_is_none_is_one_line(tmp_path, content, said):
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ThawError, match=said) as error:
        truth_of(str(path))
    assert "\n" not in str(error.value)
