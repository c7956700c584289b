"""`thaw page` in a real browser, with a bundle and no repository: images of a visitor."""

import csv
import io
import shutil

import numpy as np
import onnx.parser
import pytest
from chromium import overflow, screenshot, settle, violations, visiting
from PIL import Image
from running_page import paging
from small_bundle import COLOURS, LABELS, SIDE, write_colours

import thaw
from thaw.bundle import write_bundle
from thaw.page.texts import frame
from thaw.page.texts import try_it as texts
from thaw.paths import BUNDLE

FILES = ".st-key-upload input[type=file]"
PHONE = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}


def image(colour, name=None, size=(500, 375)):
    """A PNG as Playwright takes files."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "png")
    return {"name": name or f"{colour}.png", "mimeType": "image/png", "buffer": stream.getvalue()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_colours(folder / BUNDLE)
    return folder


@pytest.fixture(scope="module")
def url(folder):
    with paging(folder) as url:
        yield url


def upload(page, *files):
    page.locator(FILES).set_input_files(list(files))


def answer(page, label):
    """The answer to the only image, once it is this one."""
    found = page.locator(".st-key-answer")
    found.locator("h3", has_text=label).wait_for()
    return found


def overlay(page):
    """The address of the heat map, once it is drawn."""
    found = page.locator(".st-key-heat-map img")
    found.wait_for()
    page.wait_for_function(
        "image => image.complete && image.naturalWidth > 200", arg=found.element_handle()
    )
    return found.get_attribute("src")


def open_tab(page, name):
    page.get_by_role("tab", name=frame.TABS[name]).click()


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_an_image_gets_what_the_pages_before_had(browser, url, colour_scheme):
    """Uploader, size slider, image, label, percentages, their maximum and sum, documentation."""
    with visiting(browser, url, color_scheme=colour_scheme) as page:
        upload(page, image("red"))
        found = answer(page, "red")
        shares = [text.removesuffix(" %") for text in found.locator(".bars span").all_inner_texts()]
        assert len(shares) == len(LABELS)
        assert sum(map(float, shares)) == pytest.approx(100, abs=0.2)
        found.get_by_text(texts.HIGHEST).wait_for()
        found.get_by_text(texts.SUM, exact=True).wait_for()
        values = found.locator("[data-testid=stMetricValue]").all_inner_texts()
        assert values == [f"{max(map(float, shares)):.1f} %", "100.0 %"]
        assert page.locator(".st-key-input-size input[type=range]").is_visible()
        assert overlay(page)
        assert violations(page) == []
        screenshot(page, f"page-one-{colour_scheme}")
        open_tab(page, "about")
        page.locator(".st-key-about-picture svg").first.wait_for()
        settle(page)
        assert violations(page) == []
        screenshot(page, f"page-about-{colour_scheme}")


def test_opacity_and_class_redraw_the_heat_map(browser, url):
    with visiting(browser, url) as page:
        upload(page, image("green"))
        answer(page, "green")
        strong = overlay(page)
        page.locator(".st-key-opacity input[type=range]").focus()
        page.keyboard.press("Home")
        bare = another_overlay(page, strong)
        page.keyboard.press("End")
        full = another_overlay(page, bare)
        choose(page.locator(".st-key-heat-map"), "blue")
        another_overlay(page, full)
        assert page.get_by_text(texts.SPEAKS_FOR.format(label="blue")).is_visible()


def another_overlay(page, before):
    """The address of the heat map, once it is another."""
    page.wait_for_function(
        "before => ![null, before].includes("
        "document.querySelector('.st-key-heat-map img')?.getAttribute('src') ?? null)",
        arg=before,
    )
    return overlay(page)


def choose(place, option):
    """Choose in the box of a place."""
    place.locator("[data-testid=stSelectbox] input").click()
    place.page.get_by_role("option", name=option).click()


def test_the_size_slider_reduces_the_image_and_survives_a_reload(browser, url):
    with visiting(browser, url) as page:
        upload(page, image("blue"))
        answer(page, "blue")
        page.locator(".st-key-input-size input[type=range]").focus()
        page.keyboard.press("ArrowLeft")
        reduced = texts.REDUCED.format(size=SIDE - 1, full=SIDE)
        page.get_by_text(reduced).wait_for()
        assert f"input-size={SIDE - 1}" in page.url
        page.reload()
        upload(page, image("blue"))
        page.get_by_text(reduced).wait_for()


def test_many_images_become_a_table_and_the_csv_of_batch_prediction(browser, url, folder, tmp_path):
    broken, text = image("green", "broken.png"), image("red", "text.png")
    broken["buffer"], text["buffer"] = broken["buffer"][:-20], b"<html>"
    with visiting(browser, url) as page:
        upload(page, image("blue"), broken, image("white"), text, image("green"))
        page.get_by_text("5 images: 2 answered, 1 left to a person, 2 unusable.").wait_for()
        failed = page.locator(".thaw-failed").inner_text()
        assert "broken.png" in failed and "without its end" in failed and "text.png" in failed
        with page.expect_download() as download:
            page.locator(".st-key-download button").click()
        rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
        assert [row["label"] for row in rows] == ["blue", "", "red", "", "green"]
        expected = thaw.load(str(folder / BUNDLE))(image("blue")["buffer"]).probabilities
        found = {label: np.float32(rows[0][f"p_{label}"]) for label in LABELS}
        assert found == {label: np.float32(value) for label, value in expected.items()}
        choose_option = page.locator(".st-key-filter input")
        choose_option.click()
        page.get_by_role("option", name="green").click()
        page.keyboard.press("Escape")
        assert page.locator(".st-key-answers canvas").first.is_visible()
        assert violations(page) == []
        screenshot(page, "page-many")


def test_a_huge_file_is_refused_in_words(browser, url):
    huge = image("red", "huge.png")
    huge["buffer"] += bytes(11 << 20)
    with visiting(browser, url) as page:
        upload(page, huge)
        page.locator(".st-key-upload").get_by_text("huge.png").wait_for()
        assert "10.0MB" in page.locator(".st-key-upload").inner_html()
        upload(page, image("green"))
        page.get_by_text("green.png").wait_for()


def test_the_camera_is_asked_for_only_when_it_is_chosen(browser, url):
    with visiting(browser, url, permissions=["camera"]) as page:
        page.locator(".st-key-source").wait_for()
        assert page.locator("video").count() == 0
        page.get_by_role("radio", name=texts.CAMERA).click()
        button = page.locator(".st-key-camera").get_by_role("button", name="Take Photo")
        button.wait_for()
        page.wait_for_function("document.querySelector('video')?.videoWidth > 0")
        button.click()
        page.locator(".st-key-answer h3").wait_for()
        assert overlay(page)
        assert "source=Camera" in page.url


def test_two_visitors_do_not_see_each_others_images(browser, url):
    with visiting(browser, url) as first, visiting(browser, url) as second:
        upload(first, image("red"))
        answer(first, "red")
        second.locator(FILES).wait_for(state="attached")
        assert "red" not in second.locator(".st-key-upload").inner_text()
        assert second.locator(".st-key-answer").count() == 0
        upload(second, image("blue"))
        answer(second, "blue")
        assert answer(first, "red").is_visible()
        first.reload()
        first.locator(FILES).wait_for(state="attached")
        assert first.locator(".st-key-answer").count() == 0


def test_another_bundle_answers_the_next_click(browser, tmp_path):
    write_colours(tmp_path / BUNDLE)
    with paging(tmp_path) as url, visiting(browser, url) as page:
        upload(page, image("red"))
        answer(page, "red")
        shutil.rmtree(tmp_path / BUNDLE)
        model = onnx.parser.parse_model(COLOURS).SerializeToString()
        manifest = {"image_size": SIDE, "precision": "float32"}
        write_bundle(tmp_path / BUNDLE, model, ["rouge", "vert", "bleu"], manifest)
        page.locator(".st-key-opacity input[type=range]").focus()
        page.keyboard.press("Home")
        answer(page, "rouge")


def test_on_a_phone_nothing_is_too_wide(browser, url):
    with visiting(browser, url, **PHONE) as page:
        upload(page, image("red", size=(375, 500)))
        answer(page, "red")
        assert overlay(page)
        assert overflow(page) <= 0 and violations(page) == []
        screenshot(page, "page-phone")


def test_without_bundle_or_repository_it_says_what_to_do(browser, tmp_path):
    with paging(tmp_path) as url, visiting(browser, url) as page:
        page.get_by_text("There is no bundle here yet").wait_for()
        assert "make repro" in page.locator("[data-testid=stAlert]").inner_text()
        for name in ("experiments", "data", "errors"):
            open_tab(page, name)
            page.get_by_text("the page was started outside one").last.wait_for()
            assert page.url.endswith(f"?tab={frame.TABS[name]}")
            page.reload()
            page.get_by_text("the page was started outside one").last.wait_for()
        open_tab(page, "about")
        page.locator(".st-key-about").wait_for()
