"""Folder, zip and tar read alike; what is not safe is refused by the name of its member."""

import errno
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile

import pytest
from hostile_archives import (
    CENTRAL,
    CRAFTED,
    END,
    FORMATS,
    ONE,
    TAR,
    UNCHECKED,
    flip_bit,
    gz,
    lying_bomb,
    make_files,
    make_zip,
    pax,
    record,
)
from read_hostile_archives import GOOD, damaged_cases, verdict

from thaw.data import member_checks as module
from thaw.data import source as source_module
from thaw.data.archive import open_members
from thaw.data.source import source_sha256
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


def stored(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_a_flipped_bit_does_not_pass_unseen(tmp_path, caplog, kind):
    files = make_files(1)
    data = FORMATS[kind](files)
    assert content_of(stored(tmp_path / "a", data)) == files
    assert len(caplog.messages) == (kind in UNCHECKED)
    rng = random.Random(kind)
    for _ in range(100):
        caplog.clear()
        try:
            found = content_of(stored(tmp_path / "a", flip_bit(rng, data, b"")))
        except ThawError as error:
            assert "\n" not in str(error)
            continue
        if kind in UNCHECKED and found != files:
            changed = [name for name in files if name in found and files[name] != found[name]]
            renamed = files.keys() - found.keys()
            assert len(changed) + len(renamed) == 1 and len(found) == len(files)
            assert all(len(name) > 100 or not name.isascii() for name in renamed)
            assert "no checksums" in caplog.text
        else:
            assert found == files


def test_no_flipped_bit_of_a_zip_directory_passes_unseen(tmp_path):
    files = {"Cat/o": b"", "Cat/1.jpg": b"pixels"}
    data = make_zip(files)
    for bit in range(8 * data.index(CENTRAL), 8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            assert content_of(stored(tmp_path / "a", changed)) == files
        except ThawError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_archives_are_refused(tmp_path, name):
    assert "archive" in refusal(stored(tmp_path / "archive", CRAFTED[name]))


def test_damaged_archives_do_not_mislead(tmp_path):
    for case in damaged_cases(108, seed=1):
        assert verdict(case, tmp_path / "a") in GOOD, case.name


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path, method):
    path = stored(tmp_path / "a.zip", lying_bomb(method, 20 * 10**6))
    tracemalloc.start()
    try:
        assert "does not match" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 10**7  # LZMA has a dictionary of 8 MiB
    finally:
        tracemalloc.stop()


def test_a_tar_may_be_compressed_in_several_streams(tmp_path):
    assert content_of(stored(tmp_path / "a", gz(TAR[:700]) + gz(TAR[700:]))) == ONE


def test_records_about_the_whole_tar_are_read(tmp_path):
    data = pax(record(b"comment", b"4f2a"), kind=b"g")  # as `git archive` writes them
    assert content_of(stored(tmp_path / "a", data)) == {"Cat/1.jpg": b"pixels"}


def test_an_xz_without_a_check_is_noted(tmp_path, caplog):
    for check, notes in ((lzma.CHECK_CRC64, 0), (lzma.CHECK_NONE, 1)):
        assert content_of(stored(tmp_path / "a", lzma.compress(TAR, check=check))) == ONE
        assert len(caplog.messages) == notes


def as_zip64(data, count):
    """The zip with its number of entries in the records of zip64 only."""
    start = data.rindex(END)
    size, offset = struct.unpack_from("<LL", data, start + 12)
    long_end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start, 1)
    end = data[start : start + 8] + b"\xff" * 4 + data[start + 12 :]
    return data[:start] + long_end + locator + end


def test_the_count_of_a_zip64_is_compared(tmp_path):
    assert content_of(stored(tmp_path / "a", as_zip64(make_zip(ONE), 2))) == ONE
    assert "2 members instead of 3" in refusal(stored(tmp_path / "a", as_zip64(make_zip(ONE), 3)))


def test_a_full_disk_is_not_taken_for_damage(tmp_path, monkeypatch):
    with open("/dev/full", "r+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
        assert "TMPDIR" in refusal(stored(tmp_path / "a.tar", TAR))


@pytest.fixture
def folder(tmp_path):
    """Two class folders of one file each."""
    for label in ("Cat", "Dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        (tmp_path / "pets" / label / "1.jpg").write_bytes(label.encode())
    return tmp_path / "pets"


def add_pipe(path):
    os.mkfifo(path)


def add_link_to_nothing(path):
    path.symlink_to("missing.jpg")


def add_link_to_itself(path):
    path.symlink_to(path.name)


def add_link_to_a_folder(path):
    path.symlink_to("Cat", target_is_directory=True)


@pytest.mark.parametrize(
    ("add", "word"),
    [
        (add_pipe, "a pipe"),
        (add_link_to_nothing, "a link to nothing"),
        (add_link_to_itself, "cannot be read (Too many levels"),
        (add_link_to_a_folder, "a link to a folder"),
    ],
)
def test_what_is_no_file_is_named(folder, add, word):
    add(folder / "Cow")
    message = refusal(folder)
    assert str(folder / "Cow") in message and word in message
    if add is not add_link_to_a_folder:
        message = refusal(folder / "Cow")
        assert str(folder / "Cow") in message and "neither a file nor a folder" in message


def test_links_to_files_are_followed(folder, tmp_path):
    (folder / "Dog/2.jpg").symlink_to("../Cat/1.jpg")
    (tmp_path / "link").symlink_to("pets")
    expected = {"Cat/1.jpg": b"Cat", "Dog/1.jpg": b"Dog", "Dog/2.jpg": b"Cat"}
    assert content_of(folder) == content_of(tmp_path / "link") == expected


def refuse(function, forbidden):
    """The function, without the permission to open `forbidden`."""

    def refusing(path, *arguments):
        if os.fspath(path) == os.fspath(forbidden):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return function(path, *arguments)

    return refusing


def test_a_folder_that_cannot_be_read_does_not_vanish(folder, monkeypatch):
    monkeypatch.setattr(os, "scandir", refuse(os.scandir, folder / "Dog"))
    assert f"{folder / 'Dog'} cannot be read (Permission denied)" in refusal(folder)


def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch):
    with open_members(folder) as members:
        (folder / "Dog/1.jpg").unlink()
        with pytest.raises(ThawError, match=r"Dog/1\.jpg cannot be read \(No such file"):
            members.read("Dog/1.jpg")
    secret = folder / "Cat/1.jpg"
    refusing = refuse(source_module.sha256_of, secret)
    monkeypatch.setattr(source_module, "sha256_of", refusing)
    with pytest.raises(ThawError, match=r"Cat/1\.jpg cannot be read \(Permission denied"):
        source_sha256(folder)
