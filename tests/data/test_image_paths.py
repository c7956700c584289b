"""Images that a user names, in files, folders, archives and globs, or as `data.unknown`."""

import tarfile
import zipfile

import pytest

from thaw.data.image_paths import expand, read_images
from thaw.data.source import read_unknown
from thaw.errors import ThawError


@pytest.fixture
def others(tmp_path, monkeypatch, draw, encode):
    """A folder with images at its top and deeper, and what is no image; the images by path."""
    monkeypatch.chdir(tmp_path)
    images = {f"{name}.jpg": encode(draw(n)) for n, name in enumerate(("b/c/1", "b/2", "a"))}
    for name, data in (
        images | {"b/notes.txt": b"", ".hidden.jpg": b"", "b/.x/1.jpg": b""}
    ).items():
        path = tmp_path / "others" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return dict(sorted(images.items()))


def packed(kind):
    """The folder as an archive; its path."""
    path = f"others.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("b/c/1.jpg", "b/2.jpg", "a.jpg", "b/notes.txt", ".hidden.jpg"):
                archive.write(f"others/{name}", name)
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add("others", "")
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_other_things_are_read_from_a_folder_and_an_archive(others, kind):
    path = "others" if kind == "folder" else packed(kind)
    assert list(read_unknown(path)) == list(others.items())


def test_other_things_that_are_none_are_one_line(others, tmp_path):
    (tmp_path / "empty").mkdir()
    for path, message in (
        ("none.zip", "data.unknown must be null, a URL, .* but none.zip does not exist: check"),
        ("empty", "data.unknown must have images, but empty has none"),
        ("others/b/notes.txt", "none of these or is damaged"),
    ):
        with pytest.raises(ThawError, match=message) as caught:
            list(read_unknown(path))
        assert "\n" not in str(caught.value)


def read(*paths):
    return dict(read_images(found for path in paths for found in expand(path)))


def test_files_folders_archives_and_globs_are_read_once(others):
    expected = {f"others/{name}": data for name, data in others.items()}
    assert read("others") == read("others", "others/a.jpg") == expected
    assert read("others/**/*.jpg") == expected
    assert list(read("others/b/2.jpg", "others/a.jpg")) == ["others/b/2.jpg", "others/a.jpg"]
    archive = packed("zip")
    assert read(archive) == {f"{archive}/{name}": data for name, data in others.items()}
    assert expand("nothing*") == []


def test_what_cannot_be_read_is_named_and_the_rest_is_read(others, tmp_path):
    archive = tmp_path / packed("zip")
    content = bytearray(archive.read_bytes())
    at = content.index(others["b/2.jpg"][-100:])
    content[at + 50 : at + 60] = bytes(10)
    archive.write_bytes(content)
    (tmp_path / "cut.zip").write_bytes(content[:1000])
    found = read("others.zip", "cut.zip", "others/a.jpg")
    wrong = {name for name, data in found.items() if isinstance(data, ThawError)}
    assert wrong == {"others.zip/b/2.jpg", "cut.zip"} and len(found) == 5
