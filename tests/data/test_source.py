"""Downloads from a server on this machine, hashes, and what is missing."""

import gzip
import hashlib
import http.server
import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field

import fsspec
import pytest
from project import ROOT

from thaw.data import download as module
from thaw.data.source import open_source, source_sha256
from thaw.errors import ThawError
from thaw.params import load
from thaw.paths import DOWNLOADS
from thaw.sample import generate


@dataclass
class Server:
    """What the server gives, how it fails, and what it was asked."""

    url: str
    content: bytes
    etag: str = '"1"'
    encoding: str | None = None  # that the answers have, as they say
    breaks: int = 0  # answers that stop midway
    statuses: list[int] = field(default_factory=list)  # answered first
    asked: list[str | None] = field(default_factory=list)  # the Range of each request


@pytest.fixture
def server(damaged, tmp_path, monkeypatch):
    state = Server("", damaged.read_bytes())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers["Range"]
            state.asked.append(wanted)
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            same = self.headers["If-Range"] == state.etag
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and same else 0
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", state.etag)
            if state.encoding:
                self.send_header("Content-Encoding", state.encoding)
            if start:
                end = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            self.end_headers()
            if state.breaks:
                state.breaks -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}/pets.zip"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def names(source, sha256=None):
    data = load(ROOT / "params.yaml").data.model_copy(update={"source": source, "sha256": sha256})
    with open_source(data) as members:
        return members.paths()


def refusal(source, sha256=None):
    with pytest.raises(ThawError) as caught:
        names(source, sha256)
    return str(caught.value)


def test_a_download_is_checked_and_kept(server, damaged):
    expected = source_sha256(damaged)
    assert names(server.url, expected.upper()) == names(str(damaged))
    names(server.url, expected)
    assert server.asked == [None]
    assert [path.suffix for path in DOWNLOADS.iterdir()] == [".zip"]


def test_a_download_that_breaks_off_is_continued(server, damaged):
    server.breaks = 2
    names(server.url, source_sha256(damaged))
    first, *starts = server.asked
    one, two = (int(text.removeprefix("bytes=").removesuffix("-")) for text in starts)
    assert first is None and 0 < one < two < len(server.content)


def test_the_next_run_continues(server, damaged, monkeypatch):
    monkeypatch.setattr(module, "MAX_TRIES", 1)
    server.breaks = 1
    assert "the next run resumes" in refusal(server.url)
    names(server.url, source_sha256(damaged))
    assert re.fullmatch("bytes=[1-9][0-9]+-", server.asked[-1])


def test_a_file_that_changed_meanwhile_is_downloaded_from_its_start(server, damaged, monkeypatch):
    monkeypatch.setattr(module, "MAX_TRIES", 1)
    good, server.content = server.content, bytes(len(server.content))
    server.breaks = 1
    refusal(server.url)
    server.content, server.etag = good, '"2"'
    names(server.url, source_sha256(damaged))


def test_a_compressed_archive_stays_so_whatever_the_server_calls_it(server):
    server.content, server.encoding = gzip.compress(bytes(10**5)), "x-gzip"
    assert module.download(server.url, DOWNLOADS).read_bytes() == server.content
    assert server.asked == [None]


def test_a_long_url_has_a_name_that_a_file_may_have(server):
    path = module.download(f"{server.url}/{300 * 'a'}.zip", DOWNLOADS)
    assert path.suffix == ".zip" and path.read_bytes() == server.content


def test_passing_failures_are_tried_again(server, damaged):
    server.statuses = [503, 429, 500]
    names(server.url, source_sha256(damaged))
    assert len(server.asked) == 4


def test_lasting_failures_are_named(server):
    server.statuses = [404]
    assert "returned 404" in refusal(server.url)
    assert len(server.asked) == 1
    server.statuses = [503] * 9
    assert f"in {module.MAX_TRIES} tries (503" in refusal(server.url)


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.0)
    assert "could not be downloaded" in refusal("http://127.0.0.1:9/pets.zip")


def test_a_wrong_download_is_named_and_removed(server):
    message = refusal(server.url, "0" * 64)
    assert "0" * 64 in message and hashlib.sha256(server.content).hexdigest() in message
    assert list(DOWNLOADS.iterdir()) == []


def test_other_protocols_come_through_fsspec(damaged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with fsspec.open("memory://source/damaged.zip", "wb") as stream:
        stream.write(damaged.read_bytes())
    assert names("memory://source/damaged.zip") == names(str(damaged))
    assert "does not exist: check" in refusal("memory://source/none.zip")
    assert "nosuch" in refusal("nosuch://pets.zip")
    assert "cannot be read (ConnectionRefusedError" in refusal("ftp://127.0.0.1:9/pets.zip")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    assert "Install s3fs" in refusal("s3://bucket/pets.zip")


def test_local_sources_and_their_hashes(damaged, tmp_path):
    assert "does not exist" in refusal(str(tmp_path / "none.zip"))
    assert "data.sha256" in refusal(str(damaged), "1" * 64)
    folder = tmp_path / "pets"
    (folder / "Cat").mkdir(parents=True)
    for name, content in (("Cat/b.jpg", b"2"), ("Cat/a.jpg", b"1"), ("z.txt", b"")):
        (folder / name).write_bytes(content)
    listing = subprocess.run(
        ["sha256sum", "Cat/a.jpg", "Cat/b.jpg", "z.txt"],
        cwd=folder, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert source_sha256(folder) == hashlib.sha256(listing).hexdigest()
    assert names(str(folder), source_sha256(folder)) == ["Cat/a.jpg", "Cat/b.jpg", "z.txt"]
    before = source_sha256(folder)
    (folder / "z.txt").write_bytes(b"changed")
    assert "data.sha256" in refusal(str(folder), before)


def test_a_kill_leaves_no_sample_in_the_systems_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generate, "PER_CLASS", 10)
    monkeypatch.setattr(generate, "cores", lambda: 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with open_source(load(ROOT / "params.yaml").data) as members:
        assert "PetImages/Cat/9.jpg" in members.paths()
        assert list((tmp_path / "temporary").iterdir()) == []
