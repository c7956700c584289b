"""The API's pages in a real browser: the form, also without JavaScript, and the documentation."""

import base64
import io
import time

import pytest
from chromium import overflow, screenshot, violations, visiting
from PIL import Image
from running_server import running, serving
from small_bundle import write_colours

from thaw.serving.publish import publish

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
MAX_BODY = 100_000
SEND = """([how, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, {type: "image/png"}));
  const given = how === "paste"
    ? new ClipboardEvent("paste", {clipboardData: files})
    : new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true});
  document.getElementById("drop").dispatchEvent(given);
  if (how === "paste") document.dispatchEvent(given);
}"""


def image(colour, name=None, size=(500, 375)):
    """A PNG as Playwright takes files."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "png")
    name = name or f"{colour}.png"
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with serving(write_colours(folder / "bundle"), folder, max_body=MAX_BODY) as server:
        yield server


def classify(page, *files):
    """Choose files and send them; the results, once all are there."""
    page.get_by_label("Choose images").set_input_files(list(files))
    page.get_by_role("button", name="Classify").click()
    return results(page, len(files))


def results(page, count=1):
    """So many results, once they are there."""
    articles = page.locator("#results > article")
    articles.nth(count - 1).wait_for()
    assert articles.count() == count
    return articles


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_an_image_gets_label_bars_and_heatmap(browser, server, script, colour_scheme):
    context = {"java_script_enabled": script, "color_scheme": colour_scheme}
    with visiting(browser, server.url, **context) as page:
        result = classify(page, image("red"))
        assert result.locator("h2").inner_text() == "red"
        shown = [text.strip() for text in result.locator(".bars span").all_inner_texts()]
        assert sum(float(text.removesuffix(" %")) for text in shown) == pytest.approx(100, abs=0.2)
        overlay = result.get_by_role("img").first
        assert overlay.get_attribute("src").startswith("data:image/png;base64,")
        if script:  # without, nothing can be evaluated on the page, by axe neither
            assert overlay.evaluate("image => image.complete && image.naturalWidth") > 200
            assert violations(page) == []
        screenshot(page, f"form-{colour_scheme}-{'script' if script else 'plain'}")


def test_of_several_images_each_has_its_answer_or_its_error(browser, server):
    broken = image("green", "broken.png")
    broken["buffer"] = broken["buffer"][:-20]
    page = {"name": "page.png", "mimeType": "image/png", "buffer": b"<html>"}
    with visiting(browser, server.url, expected=["422", "413"]) as visitor:
        huge = image("red", "huge.png")
        huge["buffer"] += bytes(MAX_BODY)
        found = classify(visitor, image("blue"), broken, image("white"), page, huge, image("green"))
        titles = found.locator("h2").all_inner_texts()
        assert titles == ["blue", "No answer", "Unknown", "No answer", "No answer", "green"]
        names = found.locator(".file").all_inner_texts()
        assert names[1:5] == ["broken.png", "white.png", "page.png", "huge.png"]
        assert "without its end" in found.nth(1).inner_text()
        assert "none of the classes" in found.nth(2).inner_text()
        assert "too large" in found.nth(4).inner_text()
        assert visitor.locator("#previews img").count() == 6
        assert violations(visitor) == []
        screenshot(visitor, "form-several")


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_an_image_can_be_dropped_and_pasted(browser, server, how):
    with visiting(browser, server.url) as page:
        data = base64.b64encode(image("green")["buffer"]).decode()
        page.evaluate(SEND, [how, "green.png", data])
        assert results(page).locator("h2").inner_text() == "green"
        assert page.locator("#previews img").get_attribute("alt") == "green.png"


def test_a_phone_offers_its_camera_and_nothing_is_too_wide(browser, server):
    with visiting(browser, server.url, **PHONE) as page:
        camera = page.get_by_label("Take a photo")
        assert camera.is_visible() and camera.get_attribute("capture") == "environment"
        camera.set_input_files(image("blue", "photo.png", (375, 500)))
        page.get_by_role("button", name="Classify").tap()
        assert results(page).locator("h2").inner_text() == "blue"
        assert overflow(page) <= 0 and violations(page) == []
        screenshot(page, "form-phone")
    with visiting(browser, server.url) as page:
        assert not page.get_by_label("Take a photo").is_visible()


def test_the_keyboard_is_enough(browser, server):
    with visiting(browser, server.url) as page:
        page.get_by_label("Choose images").set_input_files(image("red"))
        page.get_by_label("Choose images").focus()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Classify"
        page.keyboard.press("Enter")
        assert results(page).locator("h2").inner_text() == "red"


def test_nothing_chosen_is_said(browser, server):
    with visiting(browser, server.url, expected=["400"]) as page:
        page.get_by_role("button", name="Classify").click()
        assert "choose an image first" in results(page).inner_text()


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_the_documentation_is_readable(browser, server, colour_scheme):
    with visiting(browser, f"{server.url}/docs", color_scheme=colour_scheme, **PHONE) as page:
        assert page.get_by_role("heading", name="/predict").first.is_visible()
        assert overflow(page) <= 0 and violations(page) == []
        screenshot(page, f"docs-{colour_scheme}")


def test_a_published_bundle_answers_the_next_image(browser, tmp_path):
    bundles = [write_colours(tmp_path / f"{n}", training={"seed": n}) for n in range(2)]
    published = tmp_path / "published"
    command = [
        "-c",
        "from thaw.cli.main import main; main()",
        "serve",
        "--port",
        "0",
        "--bundle",
        str(bundles[0]),
    ]
    command += ["--published", str(published)]
    with running(command, tmp_path) as server, visiting(browser, server.url) as page:
        assert classify(page, image("red")).locator("h2").inner_text() == "red"
        sha256 = publish(bundles[1], published)
        while server.get("/model").json()["sha256"] != sha256:
            time.sleep(0.1)
        assert classify(page, image("blue")).locator("h2").inner_text() == "blue"
