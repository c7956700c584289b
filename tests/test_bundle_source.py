"""A bundle is opened from a folder, a zip or an address, and what is no bundle is one line."""

import functools
import http.server
import io
import os
import shutil
import stat
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.registry import _registry
from moto.server import ThreadedMotoServer
from small_bundle import write_colours

from thaw import bundle_zip
from thaw.bundle_source import open_bundle
from thaw.bundle_zip import CHUNK_BYTES, MOST_MEMBERS, pack
from thaw.errors import ThawError
from thaw.serving.predictor import Predictor

PARTS = ("manifest.json", "labels.json", "seen_images.txt", "model.onnx")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A bundle in a folder; temporary files go beside it, into a folder that ends up empty."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write_colours(tmp_path / "bundle")
    yield tmp_path / "bundle"
    fsspec.filesystem("memory").store.clear()
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.fixture
def zipped(bundle):
    pack(bundle, None, bundle.with_name("bundle.zip"))
    return bundle.with_name("bundle.zip")


@pytest.fixture
def s3(monkeypatch):
    """The filesystem of a server of S3 on this machine, with a bucket `pets`."""
    credentials = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}
    for name, value in (credentials | {"DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True)
    filesystem.mkdir("pets")
    yield filesystem
    filesystem.rm("pets", recursive=True)  # the server's content outlives it
    server.stop()
    type(filesystem).clear_instance_cache()


@pytest.fixture
def web(bundle, monkeypatch):
    """The URL at which a server on this machine shows the folder above the bundle."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=bundle.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def parts(address):
    """The bundle's parts as they are where it is opened."""
    with open_bundle(address) as folder:
        return {name: (folder / name).read_bytes() for name in PARTS}


def refusal(address):
    with pytest.raises(ThawError) as caught:
        parts(address)
    [line] = str(caught.value).splitlines()
    return line


def test_a_folder_is_opened_where_it_is(bundle):
    for address in (bundle, str(bundle), f"{bundle}/"):
        with open_bundle(address) as folder:
            assert folder == bundle


def test_a_zip_answers_as_the_folder_once_its_files_are_gone(bundle, zipped):
    expected = Predictor(bundle).predict(IMAGES)
    predictor = Predictor(zipped)
    shutil.rmtree(bundle)
    zipped.unlink()
    assert list((zipped.parent / "temporary").iterdir()) == []
    for found, wanted in zip(predictor.predict(IMAGES), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("top", ["", "pets/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_that_another_program_made(bundle, top, method):
    path = bundle.with_name("other.zip")
    with zipfile.ZipFile(path, "w", method) as archive:
        if top:
            archive.mkdir(top)
        for name in (*PARTS, "notes/../../readme.txt", "__MACOSX/._manifest.json"):
            content = bundle / name if name in PARTS else bundle / "labels.json"
            archive.write(content, top + name)
    assert parts(path) == parts(bundle)


@pytest.mark.parametrize(
    "address", ["file", "memory://pets", "memory://dogs/", "memory://pets.zip"]
)
def test_an_address_answers_as_the_folder(bundle, zipped, address):
    if address == "file":
        assert_same_answers(f"file://{zipped}", bundle)
        address = f"file://{bundle}"
    else:
        is_zip = address.endswith(".zip")
        filesystem, path = fsspec.core.url_to_fs(address)
        filesystem.put(str(zipped if is_zip else bundle), path.rstrip("/"), recursive=not is_zip)
    assert_same_answers(address, bundle)


def test_a_bucket_of_s3_answers_as_the_folder(bundle, zipped, s3):
    s3.put(str(bundle), "pets/models/bundle", recursive=True)
    s3.put(str(zipped), "pets/bundle.ZIP")
    for address in ("s3://pets/models/bundle", "s3://pets/models/bundle/", "s3://pets/bundle.ZIP"):
        assert_same_answers(address, bundle)


def assert_same_answers(address, bundle):
    found, expected = (Predictor(one).predict(IMAGES) for one in (address, bundle))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_server_of_files_gives_both(bundle, zipped, web):
    for address in (f"{web}/bundle", f"{web}/bundle.zip", f"{web}/bundle.zip?version=3"):
        assert parts(address) == parts(bundle)
    assert "none.zip does not exist" in refusal(f"{web}/none.zip")
    assert "none has no bundle" in refusal(f"{web}/none")


@pytest.mark.parametrize("part", PARTS)
def test_damage_on_the_way_is_named_by_its_address(bundle, s3, part):
    content = (bundle / part).read_bytes()[:-1] + b"!"
    s3.put(str(bundle), "pets/bundle", recursive=True)
    s3.pipe(f"pets/bundle/{part}", content)
    assert refusal("s3://pets/bundle").startswith(f"s3://pets/bundle/{part} must ")
    s3.rm(f"pets/bundle/{part}")
    line = refusal("s3://pets/bundle")
    assert f"pets/bundle/{part}" in line or "pets/bundle has no bundle: make one with" in line


def test_addresses_that_are_none(bundle, s3, monkeypatch):
    assert "s3://none/bundle.zip does not exist: check the address" in refusal(
        "s3://none/bundle.zip"
    )
    assert "Protocol not known: nosuch" in refusal("nosuch://bundle")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(s3).clear_instance_cache()
    assert "cannot be read (" in refusal("s3://pets/bundle.zip")


@pytest.mark.parametrize("package", ["fsspec", "s3fs"])
def test_a_missing_package_is_named_with_its_extra(bundle, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    line = refusal("s3://pets/bundle")
    assert package in line and "run `pip install 'thaw[s3]'`" in line
    parts(bundle)


def test_what_is_larger_than_a_bundle_is_not_fetched(bundle, monkeypatch):
    monkeypatch.setitem(bundle_zip.MOST_BYTES, "model.onnx", 100)
    line = refusal(f"file://{bundle}")
    assert line.startswith(f"file://{bundle}/model.onnx must have at most 100 bytes")


def test_what_is_no_bundle_says_how_to_make_one(bundle):
    for path in (bundle.parent / "none", bundle.parent / "none.zip", bundle.parent):
        assert f"{path} has no bundle: make one with `dvc repro export`" in refusal(path)
    assert "labels.json must be" in refusal(bundle / "labels.json")


def test_a_zip_has_the_same_bytes_each_time(bundle, zipped):
    first = zipped.read_bytes()
    for path in bundle.iterdir():
        path.chmod(0o600)
        os.utime(path, (1e9, 1e9))
    (bundle / "notes.txt").write_text("mine")
    pack(bundle, None, zipped)
    assert zipped.read_bytes() == first
    with zipfile.ZipFile(zipped) as archive:
        members = archive.infolist()
    assert {member.filename for member in members} == set(PARTS)
    assert {member.external_attr >> 16 for member in members} == {stat.S_IFREG | 0o644}


def member(name, file_type=stat.S_IFREG, flags=0):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (file_type | 0o644) << 16
    info.flag_bits = flags
    return info


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda archive: archive.writestr(member("labels.json"), b"[]"), "labels.json is there tw"),
        (lambda archive: archive.writestr("b/manifest.json", b"{}"), "of one bundle, at the top"),
        (
            lambda archive: [archive.writestr(f"{n}", b"") for n in range(MOST_MEMBERS)],
            "must have at most 1000 members",
        ),
        (
            lambda archive: [archive.writestr(f"{n:0200}", b"") for n in range(CHUNK_BYTES // 200)],
            "its list of members is too long",
        ),
    ],
    ids=["twice", "two bundles", "many members", "a long list"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_is_not_of_one_bundle(zipped, change, message):
    with zipfile.ZipFile(zipped, "a") as archive:
        change(archive)
    assert message in refusal(zipped)


@pytest.mark.parametrize(
    ("name", "info", "method", "message"),
    [
        ("model.onnx", member("model.onnx", stat.S_IFLNK), 0, "model.onnx is a link or a device"),
        ("labels.json", member("labels.json", stat.S_IFIFO), 0, "is a link or a device"),
        ("model.onnx", member("model.onnx"), zipfile.ZIP_BZIP2, "the unsupported method 12"),
        ("model.onnx", member("../model.onnx"), 0, "model.onnx must have SHA-256"),
        ("manifest.json", member("../manifest.json"), 0, "has 0"),
        ("manifest.json", member("/manifest.json"), 0, "has 0"),
        ("manifest.json", member("a/b/manifest.json"), 0, "has 0"),
        ("manifest.json", member("a\\manifest.json"), 0, "has 0"),
    ],
)
def test_a_member_that_must_not_be_unpacked(bundle, name, info, method, message):
    path = bundle.with_name("hostile.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for part in PARTS:
            content = (bundle / part).read_bytes()
            archive.writestr(info if part == name else part, content, method * (part == name))
    assert message in refusal(path)
    assert not (bundle.parent / "model.onnx").exists()


def test_an_encrypted_member(zipped):
    content = bytearray(zipped.read_bytes())
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + flags] |= 1
    zipped.write_bytes(content)
    assert "manifest.json is encrypted" in refusal(zipped)


def test_a_bomb_is_neither_declared_nor_unpacked(bundle, monkeypatch):
    """One that declares its size, and one that lies."""
    path = bundle.with_name("bomb.zip")
    monkeypatch.setitem(bundle_zip.MOST_BYTES, "model.onnx", 10**6)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", (bundle / "manifest.json").read_bytes())
        archive.writestr("model.onnx", bytes(10**8))
    assert "model.onnx must have at most 1,000,000 bytes" in refusal(path)
    declared, lie = ((10**8).to_bytes(4, "little"), (900).to_bytes(4, "little"))
    path.write_bytes(path.read_bytes().replace(declared, lie))
    assert "bomb.zip must be" in refusal(path)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_zip_is_one_line(zipped, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(zipped.read_bytes())
    if seed % 4 == 0:
        content = content[: rng.integers(len(content))]
    for position in rng.integers(0, len(content), seed % 4):
        content[position] ^= int(rng.integers(1, 256))
    zipped.write_bytes(bytes(content))
    try:
        found = parts(zipped)
    except ThawError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert found == parts(zipped.parent / "bundle")


def test_an_interrupted_pack_leaves_the_zip_as_it_was(bundle, zipped, monkeypatch):
    first = zipped.read_bytes()

    def fail(source, target):
        target.write(source.read(10))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_zip.shutil, "copyfileobj", fail)
    with pytest.raises(OSError, match="No space left"):
        pack(bundle, None, zipped)
    assert zipped.read_bytes() == first
    assert {path.name for path in Path(bundle.parent).iterdir()} == {
        "bundle",
        "bundle.zip",
        "temporary",
    }


def test_a_full_disk_while_fetching_is_one_line(bundle, monkeypatch):
    class Full(io.FileIO):
        def read(self, size=-1):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        fsspec.get_filesystem_class("file"), "open", lambda *_, **__: Full(bundle / "model.onnx")
    )
    assert "the disk must have space" in refusal(f"file://{bundle}")
