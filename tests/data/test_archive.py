"""Folder, zip and tar read alike; what is not safe is refused by the name of its member."""

import io
import stat
import tarfile
import zipfile

import pytest

from thaw.data import archive as module
from thaw.data.archive import open_members
from thaw.errors import ThawError

FILES = {"Cat/1.jpg": b"one", "Dog/2.jpg": b"two" * 1000, "readme.txt": b""}


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def content_of(path):
    with open_members(path) as members:
        return {name: members.read(name) for name in members.paths()}


def refusal(path):
    with pytest.raises(ThawError) as caught:
        content_of(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_all_kinds_read_alike_and_leave_nothing_behind(tmp_path, kind):
    path = tmp_path / "source"
    if kind == "folder":
        for name, content in FILES.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    elif kind == "zip":
        write_zip(path, FILES)
    else:
        write_tar(path, [(tarfile.TarInfo(f"./{n}"), c) for n, c in FILES.items()], kind)
    assert content_of(path) == FILES
    assert list(tmp_path.iterdir()) == [path]


BAD_NAMES = ["/etc/passwd", "../1.jpg", "Cat/../../1.jpg", "C:/1.jpg", "..\\1.jpg", "\\1.jpg"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_paths_that_lead_outside_are_refused(tmp_path, name):
    assert repr(name) in refusal(write_zip(tmp_path / "a.zip", FILES | {name: b"x"}))
    assert repr(name) in refusal(write_tar(tmp_path / "a.tar", [(tarfile.TarInfo(name), b"x")]))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("Cat/link.jpg")
    info.create_system, info.external_attr = 3, (kind | 0o644) << 16
    assert "'Cat/link.jpg' is a link" in refusal(write_zip(tmp_path / "a.zip", {info: b"/etc"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("Cat/link.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    assert "'Cat/link.jpg' is a link" in refusal(write_tar(tmp_path / "a.tar.gz", [(info, b"")]))


def test_an_encrypted_member_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "'Cat/1.jpg' is encrypted" in refusal(path)


def test_bombs_are_refused(tmp_path):
    bomb = bytes(20 * 2**20)
    assert "'Cat/0.bmp' unpacks to more than" in refusal(
        write_zip(tmp_path / "a.zip", {"Cat/0.bmp": bomb})
    )
    assert "'Cat/0.bmp' brings the archive" in refusal(
        write_tar(tmp_path / "a.tar.xz", [(tarfile.TarInfo("Cat/0.bmp"), bomb)], "w:xz")
    )


@pytest.mark.parametrize(
    ("limit", "word"), [("MAX_MEMBER_BYTES", "unpacks"), ("MAX_TOTAL_BYTES", "total")]
)
def test_absolute_limits(tmp_path, monkeypatch, limit, word):
    monkeypatch.setattr(module, limit, 2000)
    message = refusal(write_zip(tmp_path / "a.zip", FILES))
    assert "'Dog/2.jpg'" in message and word in message


def test_a_member_twice_is_refused(tmp_path):
    twice = [(tarfile.TarInfo("Cat/1.jpg"), b"a"), (tarfile.TarInfo("./Cat/1.jpg"), b"b")]
    assert "appears twice" in refusal(write_tar(tmp_path / "a.tar", twice))


def test_damage_is_named(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(b"Cat/1.jpg") + 10] ^= 0xFF
    path.write_bytes(data)
    assert "is damaged (Cat/1.jpg" in refusal(path)
    members = [(tarfile.TarInfo("Cat/1.jpg"), bytes(range(256)) * 300)]
    path = write_tar(tmp_path / "a.tar.gz", members, "w:gz")
    path.write_bytes(path.read_bytes()[:-40])
    assert "is damaged" in refusal(path)


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x00")
    assert "starts with b'Rar!" in refusal(tmp_path / "a.rar")


def test_names_that_cannot_be_printed_are_refused(tmp_path):
    assert "printable" in refusal(write_zip(tmp_path / "a.zip", {"Cat/a\nb.jpg": b""}))
