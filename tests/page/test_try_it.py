"""The tab Try it: what a visitor sees for one image and for many, and that it is theirs alone."""

import io
import os
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import ROOT, run
from small_bundle import LABELS, SIDE, write_colours
from streamlit.testing.v1 import AppTest

import thaw
import thaw.bundle
import thaw.cli.page
from thaw.bundle_zip import pack
from thaw.evaluate.predictions import Predictions, write_predictions
from thaw.files import write_json
from thaw.page import answers as answers_module
from thaw.page.answer_table import csv_of
from thaw.page.chosen_images import EXAMPLES, MOST, Chosen
from thaw.page.texts import try_it as texts
from thaw.paths import BUNDLE, BUNDLE_METRICS, LOCK, PREDICTIONS, PUBLISHED
from thaw.serving.publish import publish

APP = str(ROOT / "src/thaw/page/app.py")
RED, BLUE, WHITE = (200, 20, 20), (20, 20, 200), (255, 255, 255)


def png(colour, size=(50, 40)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the page was started: a bundle, and no repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["app.py"])
    write_colours(BUNDLE)
    return tmp_path


@pytest.fixture
def page(folder):
    return start()


def start():
    page = AppTest.from_file(APP, default_timeout=30).run()
    assert not page.exception
    return page


def upload(page, *files):
    page.file_uploader(key="upload").set_value([(name, data, "image/png") for name, data in files])
    page.run()
    assert not page.exception
    return page


def shown(page):
    """All that is said, whatever says it."""
    kinds = ("html", "markdown", "caption", "warning", "error", "info", "metric")
    parts = [element for kind in kinds for element in page.get(kind)]
    return "\n".join(
        str(getattr(part, "body", None) or getattr(part, "value", "")) for part in parts
    )


def test_one_image_has_label_bars_maximum_and_sum(page):
    upload(page, ("red.png", png(RED)))
    found = thaw.load(BUNDLE)(png(RED))
    text = shown(page)
    assert "<h3>red</h3>" in text and texts.UNKNOWN not in text.split("<dl")[0]
    for probability in found.probabilities.values():
        assert texts.PERCENT.format(100 * probability) in text
    maximum, total = (metric.value for metric in page.metric)
    assert maximum == texts.PERCENT.format(100 * found.confidence) and total == "100.0 %"
    assert len(page.get("image")) == 1


def test_unknown_and_unsure_are_said_in_the_words_of_the_api(folder):
    decision = {"threshold": None, "costs": None, "most_risk": 0.5}
    write_colours(BUNDLE, decision=decision)
    form = (ROOT / "src/thaw/serving/templates/result.html").read_text()
    white = shown(upload(start(), ("white.png", png(WHITE))))
    assert f"<h3>{texts.UNKNOWN}</h3>" in white
    assert texts.UNKNOWN_NOTE.format(label="red") in white
    dark = shown(upload(start(), ("dark.png", png((30, 30, 30)))))
    assert texts.UNSURE_NOTE in dark and f'<span class="badge">{texts.UNSURE}</span>' in dark
    for said in (texts.UNKNOWN, texts.UNSURE_NOTE, f">{texts.UNSURE}<"):
        assert said in form
    for said in (texts.UNKNOWN_NOTE, texts.SPEAKS_FOR, texts.SPEAKS_FOR_ALT):
        assert said.format(label="{{ result.label }}") in form


def test_a_click_predicts_no_image_again(page, monkeypatch):
    upload(page, ("red.png", png(RED)))
    monkeypatch.setattr(answers_module, "_predict", lambda loaded, missing, size: dict(missing))
    before = shown(page)
    page.slider(key="opacity").set_value(20).run()
    page.selectbox[0].select("blue").run()
    assert shown(page) == before
    assert [found.label for found in page.session_state["answers"].values()] == ["red"]


def test_the_input_size_reduces_the_image_first(page):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    slider = page.slider(key="input-size")
    assert (slider.min, slider.max, slider.value) == (SIDE // 16, SIDE, SIDE)
    upload(page, ("noise.png", stream.getvalue()))
    page.slider(key="input-size").set_value(8).run()
    assert texts.REDUCED.format(size=8, full=SIDE) in shown(page)
    sizes = [key.size for key in page.session_state["answers"]]
    assert sizes == [SIDE, 8]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"no image", "not an image"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "HEIC"),
        (png(RED)[:-30], "truncated"),
    ],
)
def test_an_unusable_image_has_its_own_line(page, data, said):
    upload(page, ("<b>odd</b>.png", data))
    text = shown(page)
    assert texts.NO_ANSWER in text and said in text and "&lt;b&gt;odd&lt;/b&gt;.png" in text


def test_many_images_are_a_table_with_the_csv_of_the_command(page, folder):
    files = {"red.png": png(RED), "bad, name.png": b"no image", "white.png": png(WHITE)}
    upload(page, *files.items())
    table = page.dataframe[0].value
    assert list(table[texts.ANSWER]) == ["red", texts.NO_ANSWER, texts.UNKNOWN]
    assert table[texts.IMAGE][0].startswith("data:image/jpeg;base64,")
    assert list(table[texts.IMAGE].isna()) == [False, True, False]
    assert texts.COUNTS.format(count=3, answered=1, person=1, failed=1) in shown(page)
    assert "bad, name.png: an image must be" in shown(page)
    for name, data in files.items():
        Path(name).write_bytes(data)
    run(f"thaw predict {shlex.join(files)} --bundle {BUNDLE} -o out.csv", folder, expect=1)
    images = [Chosen.of(name, data) for name, data in files.items()]
    known = {key.image: found for key, found in page.session_state["answers"].items()}
    csv = csv_of(LABELS, images, [known[image.sha256] for image in images])
    assert csv == Path("out.csv").read_text()


def test_the_table_is_filtered_by_answer(page):
    upload(page, *((f"{n}.png", png((90 + n, 20, 20))) for n in range(3)), ("b.png", png(BLUE)))
    page.multiselect(key="filter").select("blue").run()
    assert list(page.dataframe[0].value[texts.NAME]) == ["b.png"]


def test_more_images_than_allowed_are_named(page):
    upload(page, *((f"{n}.png", png(RED, (1, 1))) for n in range(MOST + 1)))
    assert texts.TOO_MANY.format(most=MOST, given=MOST + 1) in shown(page)
    assert len(page.dataframe[0].value) == MOST


def test_a_swapped_bundle_answers_anew(page):
    upload(page, ("red.png", png(RED)))
    write_colours(BUNDLE, unknown={"limit": -1})
    page.run()
    assert f"<h3>{texts.UNKNOWN}</h3>" in shown(page)
    bundles = {key.bundle for key in page.session_state["answers"]}
    assert bundles == {thaw.bundle.bundle_sha256(thaw.load(BUNDLE).manifest)}


def test_a_bundle_as_a_zip_is_taken_up_too(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["app.py", "bundle.zip"])
    pack(BUNDLE, None, Path("bundle.zip"))
    page = upload(start(), ("red.png", png(RED)))
    assert "<h3>red</h3>" in shown(page)
    pack(write_colours(folder / "other", unknown={"limit": -1}), None, Path("bundle.zip"))
    assert f"<h3>{texts.UNKNOWN}</h3>" in shown(page.run())


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, texts.UNKNOWN),
        ({"published": Path("models/published")}, texts.UNKNOWN),
        ({"bundle": "models/bundle"}, "red"),
    ],
    ids=repr,
)
def test_what_is_published_answers_unless_a_bundle_is_asked_for(
    folder, monkeypatch, options, label
):
    publish(write_colours(folder / "other", unknown={"limit": -1}), PUBLISHED)
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.extend(command))
    thaw.cli.page.page(**options)
    monkeypatch.setattr(sys, "argv", ["app.py", *started[started.index("--") + 1 :]])
    assert f"<h3>{label}</h3>" in shown(upload(start(), ("red.png", png(RED))))


def test_a_swap_is_seen_by_a_click_on_the_heat_map_too(page):
    upload(page, ("red.png", png(RED)))
    write_colours(BUNDLE, unknown={"limit": -1})
    page.slider(key="opacity").set_value(10).run()
    assert f"<h3>{texts.UNKNOWN}</h3>" in shown(page)


def test_a_visitor_has_only_their_own_images(page):
    other = start()
    upload(page, ("red.png", png(RED)))
    upload(other, ("blue.png", png(BLUE)))
    assert "<h3>red</h3>" in shown(page.run()) and "<h3>blue</h3>" in shown(other.run())
    first, second = (set(one.session_state["answers"]) for one in (page, other))
    assert not first & second


def test_images_that_are_taken_away_are_forgotten(page):
    upload(page, ("red.png", png(RED)))
    upload(page, ("blue.png", png(BLUE)))
    assert [found.label for found in page.session_state["answers"].values()] == ["blue"]
    upload(page)
    assert not page.session_state["answers"]


def test_answers_are_bounded(page, monkeypatch):
    monkeypatch.setattr(answers_module, "MOST_ANSWERS", 3)
    upload(page, ("red.png", png(RED)), ("blue.png", png(BLUE)))
    for size in (8, 9, 10):
        page.slider(key="input-size").set_value(size).run()
    assert [key.size for key in page.session_state["answers"]] == [9, 10, 10]


def test_without_a_bundle_it_says_how_to_make_one(folder):
    shutil.rmtree(BUNDLE)
    assert "make repro" in shown(start())


@pytest.fixture
def repository(folder):
    """Where the page was started: a repository with the bundle's answers to test images."""
    Path("dvc.yaml").write_text("stages: {}\n")
    LOCK.write_text("schema: '2.0'\n")
    shutil.copytree(ROOT / EXAMPLES, EXAMPLES)
    truth = np.array([0, 0, 0, 1, 2])
    probabilities = np.float32([[0.95, 0.03, 0.02]] * 4 + [[0.1, 0.1, 0.8]])
    names = [f"{n}.png" for n in range(5)]
    split = np.array(["test"] * 5, dtype=object)
    PREDICTIONS.parent.mkdir()
    write_predictions(PREDICTIONS, Predictions(LABELS, names, split, truth, probabilities))
    manifest = thaw.load(BUNDLE).manifest
    write_json(BUNDLE_METRICS, {"bundle": thaw.bundle.bundle_sha256(manifest), "metrics": {}})
    return folder


def test_what_a_confidence_means(repository):
    text = shown(upload(start(), ("red.png", png(RED))))
    found = {"of": 4, "right": 3, "share": 75, "lower": 90, "upper": 100}
    assert texts.ALIKE.format(**found, low=30.1, high=95.4) in text


def test_of_another_bundle_it_is_not_known(repository):
    write_json(BUNDLE_METRICS, {"bundle": "another", "metrics": {}})
    text = shown(upload(start(), ("red.png", png(RED))))
    assert "by another" in text and "were right" not in text


def test_examples_are_there_where_the_repository_has_them(repository):
    page = start()
    page.segmented_control(key="source").select(texts.EXAMPLES).run()
    assert texts.ATTRIBUTION in shown(page)
    page.pills(key="example").select("Leonberger").run()
    assert "<h3>" in shown(page) and not page.exception


def test_only_who_wants_the_camera_is_asked_for_it(page):
    assert not page.get("camera_input")
    assert page.segmented_control(key="source").options == [texts.UPLOAD, texts.CAMERA]
    page.segmented_control(key="source").select(texts.CAMERA).run()
    page.camera_input(key="camera").set_value(("photo.jpg", png(BLUE), "image/jpeg")).run()
    assert "<h3>blue</h3>" in shown(page)
