"""The API over HTTP: what it answers, and that the answers are those of Python."""

import base64
import io
import json

import numpy as np
import pytest
import requests
from PIL import Image
from running_server import running, serving
from small_bundle import LABELS, save_colours, write_colours

from thaw.paths import BUNDLE, PUBLISHED
from thaw.serving.batch import Batch
from thaw.serving.errors import CODES
from thaw.serving.predictor import Predictor
from thaw.serving.publish import publish
from thaw.serving.token import SHORTEST_TOKEN, TOKEN

ORIGIN = "https://pets.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a bundle, which abstains where two colours are near, and images."""
    folder = tmp_path_factory.mktemp("api")
    write_colours(folder / "bundle", decision={"most_risk": 0.4})
    save_colours(folder / "colours")
    Image.new("RGB", (50, 40), (20, 99, 98)).save(folder / "unsure.png")
    Image.new("RGB", (50, 40), (250, 240, 240)).save(folder / "unknown.jpg")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """A server of the bundle."""
    with serving(folder / "bundle", folder, cors_origins=[ORIGIN]) as server:
        yield server


@pytest.fixture
def images(folder):
    """The images, as bytes: two colours, one unsure and one unknown."""
    names = ("colours/red/3.png", "colours/blue/1.png", "unsure.png", "unknown.jpg")
    return [(folder / name).read_bytes() for name in names]


def encoded(image):
    return base64.b64encode(image).decode()


def answer_of(found):
    """The answer without what is beside it."""
    return {key: value for key, value in found.items() if key not in ("bundle", "timing_ms")}


def each_way(image):
    """The ways to send an image."""
    yield {"json": {"image": encoded(image)}}
    yield {"json": {"image": f"data:image/png;base64,{encoded(image)}"}}
    yield {"files": {"image": ("name.png", image)}}
    yield {"data": image, "headers": {"Content-Type": "image/png"}}
    yield {"data": iter([image[:50], image[50:]]), "headers": {"Content-Type": "image/jpeg"}}
    yield {"data": image, "headers": {"Content-Type": "application/octet-stream"}}


def test_each_way_gives_the_digits_of_python_and_of_batch(server, folder, images):
    predictor = Predictor(folder / "bundle")
    for image in images:
        here = predictor(image)
        [row] = Batch(predictor).rows([("name", image)])
        for way in each_way(image):
            found = server.post(**way).json()
            assert list(found["probabilities"]) == LABELS
            assert answer_of(found) == {
                "label": here.label,
                "probabilities": here.probabilities,
                "unknown_score": here.unknown_score,
                "abstain": here.abstain,
            }
            sent = np.float32(list(found["probabilities"].values()))
            assert found["label"] == row.label and found["abstain"] == row.abstain
            np.testing.assert_array_equal(sent, np.float32(row.probabilities))
    assert [predictor(image).abstain for image in images] == [None, None, "unsure", "unknown"]


def test_several_are_answered_in_order_and_a_bad_one_has_its_error(server, images):
    lone = [answer_of(server.post(json={"image": encoded(image)}).json()) for image in images]
    texts = [encoded(image) for image in images]
    ways = [{"json": {"images": texts}}, {"files": [("images", ("a", one)) for one in images]}]
    for way in ways:
        assert server.post(**way).json()["results"] == lone
    mixed = {"images": [texts[0], "?", encoded(images[1][:-20]), texts[1]]}
    first, bad, cut, last = server.post(json=mixed).json()["results"]
    assert [first, last] == lone[:2]
    assert [one["error"]["code"] for one in (bad, cut)] == ["bad_base64", "truncated_image"]


def test_explain_adds_the_overlay_of_python(server, folder, images):
    found = server.post("/predict?explain=1", data=images[0], headers={"Content-Type": "image/png"})
    png = base64.b64decode(found.json()["overlay"].removeprefix("data:image/png;base64,"))
    expected = Predictor(folder / "bundle")(images[0]).overlay()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), np.asarray(expected))
    without = server.post("/predict?explain=0", json={"image": encoded(images[0])})
    assert "overlay" not in without.json()


def test_what_it_is_and_how_it_does(server, folder, images):
    manifest = json.loads((folder / "bundle/manifest.json").read_text())
    bundle = manifest["sha256"]["manifest.json"]
    model = server.get("/model").json()
    assert model["sha256"] == bundle and model["labels"] == LABELS and model["format"] == 1
    found = server.post(json={"image": encoded(images[0])}).json()
    assert found["bundle"] == {"sha256": bundle, "format": 1}
    assert found["timing_ms"]["predict"] > 0
    assert server.get("/health/live").json() == {"status": "live"}
    assert server.get("/health/ready").json() == {"status": "ready"}
    server.post(json={"image": "?"})
    metrics = server.get("/metrics").text
    shown = f'bundle="{bundle[:12]}"'
    for series in (
        f'thaw_predictions_total{{abstain="",{shown},label="red"}}',
        f"thaw_confidence_count{{{shown}}}",
        f'thaw_failed_images_total{{{shown},code="bad_base64"}}',
        'thaw_requests_total{code="bad_base64",method="POST",route="/predict",status="422"}',
        "thaw_waiting 0.0",
    ):
        assert series in metrics


def test_the_log_has_a_line_a_request_and_nothing_of_a_person(server, images):
    given = {"X-Request-ID": "from-a-proxy-1"}
    response = server.post(
        "/predict?explain=1", files={"image": ("my-secret.png", images[0])}, headers=given
    )
    assert response.headers["X-Request-ID"] == "from-a-proxy-1"
    server.get("/private-name")
    lines = [line for line in server.lines() if line["event"] == "request"]
    [line] = [line for line in lines if line["request_id"] == "from-a-proxy-1"]
    assert (line["route"], line["status"], line["images"]) == ("/predict", 200, 1)
    text = server.log.read_text()
    assert not any(word in text.replace(server.url, "") for word in ("secret", "private", "127.0"))
    assert len(server.get("/", headers={"X-Request-ID": "a b\t"}).headers["X-Request-ID"]) == 32


def test_pages_carry_a_strict_policy_and_nothing_from_elsewhere(server):
    for path in ("/", "/docs"):
        page = server.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "<style" not in page.text and "style=" not in page.text and "onc" not in page.text
        assert page.text.count("<script") == page.text.count("<script src=")
        assert "//" not in page.text.replace(server.url, "")
        assert 'lang="en"' in page.text
    text = page.text.replace("<wbr>", "")
    assert "curl" in text and all(code in text for code in CODES)
    assert server.get("/static/page.css").headers["X-Content-Type-Options"] == "nosniff"


def test_the_form_answers_without_a_script(server, images):
    files = [("images", ("a.png", image)) for image in images]
    nothing = ("images", ("", b""))  # of the other input
    page = server.post("/", files=[*files, nothing])
    assert page.status_code == 200 and page.text.count("data:image/png;base64,") == 4
    assert "<h2>red</h2>" in page.text and "<h2>Unknown</h2>" in page.text
    assert '<span class="badge">unsure</span>' in page.text
    none = server.post("/", files=[nothing])
    assert none.status_code == 400 and "choose an image first" in none.text
    bad = server.post("/", files=[("images", ("a.png", b"<script>alert(1)</script>"))])
    assert "not an image" in bad.text and "<script>alert" not in bad.text


def test_other_sites_read_answers_only_if_they_are_allowed(server, images):
    body = {"json": {"image": encoded(images[0])}}
    allowed = server.post(**body, headers={"Origin": ORIGIN}).headers
    assert allowed["Access-Control-Allow-Origin"] == ORIGIN and allowed["Vary"] == "Origin"
    other = server.post(**body, headers={"Origin": ORIGIN + ".evil.example"}).headers
    assert "Access-Control-Allow-Origin" not in other
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    preflight = requests.options(server.url + "/predict", headers=asked, timeout=10)
    assert preflight.ok and "POST" in preflight.headers["Access-Control-Allow-Methods"]
    page = server.post("/", files={"images": ("a", images[0])}, headers={"Origin": ORIGIN}).headers
    assert "Access-Control-Allow-Origin" not in page


def test_thaw_serve_answers_and_says_where(folder, images):
    command = ["-c", "from thaw.cli.main import main; main()", "serve", "--bundle", "bundle"]
    with running([*command, "--port", "0"], folder) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.post(json={"image": encoded(images[0])}).json()["label"] == "red"
        assert server.stop() == 0
        assert server.lines()[-1]["event"] == "stopped"


@pytest.mark.parametrize("options", [[], ["--bundle", "models/bundle"]], ids=" ".join)
def test_the_bundle_that_is_asked_for_answers_whatever_is_published(tmp_path, options):
    write_colours(tmp_path / BUNDLE)
    sha256 = publish(write_colours(tmp_path / "other", training={"seed": 2}), tmp_path / PUBLISHED)
    command = ["-c", "from thaw.cli.main import main; main()", "serve", "--port", "0"]
    with running([*command, *options], tmp_path) as server:
        assert (server.get("/model").json()["sha256"] == sha256) == (options == [])


@pytest.mark.parametrize(
    "token", ["short", "geheimer-schlüssel", " a space at an end", "\udcfc" * 20]
)
def test_a_token_that_is_short_or_that_no_header_carries_is_refused(folder, monkeypatch, token):
    monkeypatch.setenv(TOKEN, token)
    command = ["-c", "from thaw.cli.main import main; main()", "serve", "--bundle", "bundle"]
    with (
        pytest.raises(AssertionError, match=f"must have {SHORTEST_TOKEN} characters"),
        running(command, folder),
    ):
        pass
