"""Hostile input is answered with a code, never with a 500, and the next good request succeeds."""

import base64
import io
import itertools
import random
import re
import socket
import struct
import time
import zlib

import pytest
import requests
from PIL import Image
from running_server import SECONDS, serving
from small_bundle import write_colours

from thaw.serving.errors import CODES

MAX_BODY = 2_000_000
RECEIVE_SECONDS = 2
MUTATIONS = 100  # of each format
ADDRESS = re.compile(r"0x[0-9a-f]{6,}|object at|/(usr|home|tmp|work|root)/|Traceback")
ROTATED = bytes.fromhex("457869660000 49492a0008000000 0100 1201 0300 01000000 06000000 00000000")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with small limits."""
    folder = tmp_path_factory.mktemp("hostile")
    bundle = write_colours(folder / "bundle", max_megapixels=20)
    settings = {"max_body": MAX_BODY, "receive_seconds": RECEIVE_SECONDS, "max_images": 4}
    with serving(bundle, folder, **settings) as server:
        yield server


def red(file_format="png", mode="RGB", size=(60, 40), **options):
    """An image as a file."""
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 20, 20)).convert(mode).save(stream, file_format, **options)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def afterwards_a_good_request_succeeds(server):
    yield
    found = server.post(files={"image": ("red.png", red())}).json()
    assert found["label"] == "red"
    assert server.process.poll() is None
    assert not [line for line in server.lines() if line["event"] == "defect"]


def assert_refused(response, *codes):
    """The response is an error with one of the codes and its status, and tells no internals."""
    error = response.json()["error"]
    assert error["code"] in codes and response.status_code == CODES[error["code"]][0]
    assert response.headers["Content-Type"] == "application/json"
    assert not ADDRESS.search(error["message"]) and "\n" not in error["message"]


def huge_png(width, height, bits=8):
    """A PNG of 70 bytes or so that says that it is large."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"0")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bomb():
    """A PNG of 25 megapixels in 100 kB."""
    return red(size=(5000, 5000), mode="L")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (huge_png(20_000, 20_000), "image_too_large"),
        (huge_png(2**31 - 1, 2**31 - 1), "image_too_large"),
        (huge_png(0, 10), "not_an_image"),
        (bomb(), "image_too_large"),
        (red()[:-2], "truncated_image"),
        (red("jpeg")[:-2], "truncated_image"),
        (b"", "empty_image"),
        (b"<!doctype html><html><body>hello</body></html>", "not_an_image"),
        (SVG, "not_an_image"),
        (b"%PDF-1.7\n" + red("jpeg"), "not_an_image"),
        (bytes(1000), "not_an_image"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), "heic_image"),
    ],
    ids=itertools.count(),
)
def test_a_bad_image_has_its_code(server, content, code):
    for kind in ("image/png", "image/svg+xml"):
        assert_refused(server.post(data=content, headers={"Content-Type": kind}), code)
    assert_refused(server.post(files={"image": ("a", content)}), code)
    assert_refused(server.post(json={"image": base64.b64encode(content).decode()}), code)
    page = server.post("/", files={"images": ("a", content)})
    assert page.status_code == 200 and "No answer" in page.text and "<svg xm" not in page.text


@pytest.mark.parametrize(
    "content",
    [
        red("jpeg", exif=ROTATED),
        red("jpeg", mode="CMYK"),
        red("png", mode="P"),
        red("png", mode="RGBA"),
        red("gif", save_all=True, append_images=[Image.new("RGB", (60, 40))]),
        red("webp"),
        red("bmp"),
        red("tiff"),
        red("jpeg") + b"<script>alert(1)</script>",  # a polyglot
        red("png") + b"PK\x03\x04" + bytes(50),
        red("jpeg", comment=SVG),
    ],
    ids=itertools.count(),
)
def test_an_odd_image_is_answered(server, content):
    assert (
        server.post(data=content, headers={"Content-Type": "image/x-odd"}).json()["label"] == "red"
    )


def test_an_image_of_16_bits_is_answered(server):
    stream = io.BytesIO()
    Image.new("I;16", (40, 40), 60_000).save(stream, "png")
    assert server.post(files={"image": ("a", stream.getvalue())}).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b"[" * 200_000, "bad_json"),
        (b'{"image": ' * 50_000, "bad_json"),
        (b'{"images": [' + b"[]," * 100_000 + b"[]]}", "bad_json"),
        (b'{"image": ' + b"9" * 10_000 + b"}", "bad_json"),
        (b"null", "wrong_fields"),
        (b"[]", "wrong_fields"),
        (b'{"image": 1}', "wrong_fields"),
        (b'{"image": NaN}', "wrong_fields"),
        (b'{"images": []}', "wrong_fields"),
        (b'{"images": ["", 1]}', "wrong_fields"),
        (b'{"image": "", "other": ""}', "wrong_fields"),
        (b'{"images": ["", "", "", "", ""]}', "too_many_images"),
        (b'{"image": ""}', "empty_image"),
        (b'{"image": "!!!"}', "bad_base64"),
        (b'{"image": "QUJD!RA=="}', "bad_base64"),
        (b'{"image": "QUJ"}', "bad_base64"),
        ('{"image": "ÄÖÜ"}'.encode(), "bad_base64"),
        (b'{"image": "\\u0000\\ud800"}', "bad_base64"),
        (b'{"image": "data:image/png,abc"}', "bad_base64"),
        (b'{"image": "data:text/html;base64,PGI+"}', "not_an_image"),
        (b'{"image": "https://example.org/cat.jpg"}', "bad_base64"),
        (b'{"image": "file:///etc/passwd"}', "bad_base64"),
    ],
    ids=itertools.count(),
)
def test_bad_json_has_its_code(server, body, code):
    assert_refused(server.post(data=body, headers={"Content-Type": "application/json"}), code)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (None, b"x", "unsupported_media_type"),
        ("text/plain", b"x", "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"image=QUJD", "unsupported_media_type"),
        ("application/jsonp; charset=x", b"{}", "unsupported_media_type"),
        ("\xe4" * 100, b"x", "unsupported_media_type"),
        ("multipart/form-data", b"x", "wrong_fields"),
        ("multipart/form-data; boundary=b", b"", "wrong_fields"),
        ("multipart/form-data; boundary=b", b"--b\r\n", "wrong_fields"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--", "wrong_fields"),
    ],
)
def test_a_wrong_content_type_has_its_code(server, kind, body, code):
    headers = {} if kind is None else {"Content-Type": kind.encode("latin-1")}
    assert_refused(server.post(data=body, headers=headers), code)


def test_forms_with_other_fields_and_many_parts_are_refused(server):
    file = ("a.png", red())
    for fields in ({"file": file}, {"image": file, "images": file}, {"image": (None, "text")}):
        assert_refused(server.post(files=fields), "wrong_fields")
    assert_refused(server.post(files=[("image", file), ("image", file)]), "wrong_fields")
    assert_refused(server.post(files=[("images", file)] * 5), "too_many_images")
    many = [("images", (f"{k}.png", b"x")) for k in range(2000)]
    assert_refused(server.post(files=many), "too_large")
    assert server.post("/", files=many).status_code == 413
    assert_refused(server.post(files={"image": (None, "x" * 600_000)}), "too_large")


def test_wrong_parameters_are_refused(server):
    for query in ("explain=2", "explain=", "explain=1&explain=0", "other=1", "%00=%ff"):
        response = server.post(f"/predict?{query}", files={"image": ("a.png", red())})
        assert_refused(response, "wrong_fields")


def test_a_large_body_is_refused_with_its_length_and_without(server):
    body = bytes(4 * MAX_BODY)
    for data in (body, (body[start : start + 60_000] for start in range(0, len(body), 60_000))):
        headers = {"Content-Type": "image/png"}
        assert_refused(server.post(data=data, headers=headers), "too_large")
    just = red() + bytes(MAX_BODY - len(red()))
    assert server.post(data=just, headers={"Content-Type": "image/png"}).status_code == 200


def exchange(server, *parts, half_close=False, pause=0.0):
    """Send bytes; all that comes back until the server closes."""
    with server.connect() as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed already
        return read_all(connection)


def read_all(connection):
    """All that comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def request_head(length, *more):
    lines = ("POST /predict HTTP/1.1", "Host: localhost", "Content-Type: image/png", *more)
    return "\r\n".join([*lines, f"Content-Length: {length}", "Connection: close", "", ""]).encode()


def test_a_client_that_closes_its_half_gets_the_answer(server):
    image = red()
    found = exchange(server, request_head(len(image)), image, half_close=True)
    assert found.startswith(b"HTTP/1.1 200 OK") and b'"label":"red"' in found


def test_connections_that_break_off_are_forgotten(server):
    assert exchange(server, request_head(1000), b"x" * 10, half_close=True) == b""
    assert exchange(server, half_close=True) == b""
    for _ in range(20):
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(request_head(len(red())) + red())  # and a reset


def test_slow_clients_block_nobody_and_are_ended(server):
    slow = [server.connect() for _ in range(100)]
    for number, connection in enumerate(slow):
        connection.sendall(b"GET / HT" if number % 2 else request_head(1000) + b"x")
    started = time.monotonic()
    assert server.post(files={"image": ("a.png", red())}).status_code == 200
    assert time.monotonic() - started < 1
    for connection in slow:
        connection.settimeout(SECONDS)
        received = read_all(connection)
        assert received.split()[1] == b"408" and b'"timeout"' in received
        connection.close()
    assert time.monotonic() - started < 3 * RECEIVE_SECONDS


def test_a_body_that_drips_is_ended(server):
    found = exchange(server, request_head(1000), *[b"x"] * 12, pause=0.25)
    assert found.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n", b"431"),
        (b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: image/png\r\n\r\nzz\r\n",
            b"400",
        ),
        (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            b"Content-Length: -1\r\n\r\n",
            b"400",
        ),
        (b"GET http://evil.example/model HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"400"),
    ],
    ids=itertools.count(),
)
def test_odd_bytes_in_place_of_http_have_their_code(server, sent, status):
    found = exchange(server, sent, half_close=status == b"400")
    head, _, body = found.partition(b"\r\n\r\n")
    assert head.split()[1] == status, found
    assert b'{"error":' in body and b"application/json" in head


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static/%2fetc/passwd",
        "/static/%00",
        "//predict",
        "/predict/",
        "/%ff%fe",
        "/..;/model",
        "/model%0d%0aX-Evil:%201",
        "/" + "a/" * 2000,
    ],
    ids=itertools.count(),
)
def test_tricks_with_paths_find_nothing(server, path):
    sent = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    found = exchange(server, sent)
    assert b'"not_found"' in found or b'"method_not_allowed"' in found
    assert b"X-Evil" not in found


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE", "PROPFIND", "X" * 500])
def test_other_methods_are_refused(server, method):
    response = requests.request(method, server.url + "/predict", timeout=SECONDS)
    assert_refused(response, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b", "[::1", "@"])
def test_a_wrong_host_is_refused_everywhere_but_by_the_probes(server, host):
    for path in ("/", "/model", "/nowhere", "/metrics"):
        assert_refused(server.get(path, headers={"Host": host}), "wrong_host", "bad_http")
    if host.endswith("example"):
        assert server.get("/health/live", headers={"Host": host}).status_code == 200
    for good in ("localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:5001"):
        assert server.get("/model", headers={"Host": good}).status_code == 200


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp"])
def test_mutated_images_never_make_a_defect(server, file_format):
    draws = random.Random(file_format)
    noise = Image.frombytes("RGB", (40, 30), draws.randbytes(3600))
    stream = io.BytesIO()
    noise.save(stream, file_format)
    seen = set()
    for _ in range(MUTATIONS):
        content = bytearray(stream.getvalue())
        for _ in range(draws.randint(1, 10)):
            content[draws.randrange(len(content))] = draws.randrange(256)
        del content[draws.randint(len(content) // 2, 3 * len(content)) :]
        response = server.post(
            f"/predict?explain={draws.randint(0, 1)}",
            data=bytes(content),
            headers={"Content-Type": "image/jpeg"},
        )
        seen.add(response.status_code)
        if response.status_code != 200:
            assert_refused(response, *(code for code in CODES if CODES[code][0] == 422))
    assert 422 in seen and seen <= {200, 422}
