"""The tab Errors on a small repository."""

import shutil

import numpy as np
import pytest
from project import ROOT
from small_bundle import write_colours
from small_results import make_results
from streamlit.testing.v1 import AppTest

from thaw.evaluate.gradcam import read_explained
from thaw.evaluate.mistakes import worst_mistakes
from thaw.evaluate.predictions import Predictions, read_predictions, write_predictions
from thaw.page import errors
from thaw.page.texts import frame
from thaw.paths import BUNDLE, EXPLAIN, LOCK, PREDICTIONS
from thaw.serving.predictor import Predictor

APP = ROOT / "src/thaw/page/app.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        make_results(root)
    return root


@pytest.fixture
def repository(made, tmp_path, monkeypatch):
    """The working folder, where each test may do as it likes."""
    root = shutil.copytree(made, tmp_path / "repository")
    monkeypatch.chdir(root)
    monkeypatch.setattr("sys.argv", ["app.py"])
    return root


def open_tab(**query):
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.query_params["tab"] = frame.TABS["errors"]
    for key, value in query.items():
        page.query_params[key.replace("_", "-")] = value
    return checked(page.run())


def checked(page):
    assert not page.exception and not page.error, [*page.exception, *page.error]
    return page


def said(page):
    kinds = (page.markdown, page.caption, page.info, page.success, page.warning)
    return "\n".join(element.value for kind in kinds for element in kind)


def test_each_mistake_stands_beside_its_heatmap(repository):
    test = read_predictions(PREDICTIONS).subset("test")
    count = len(worst_mistakes(test))
    page = open_tab()
    assert "do not choose settings" in page.info[0].value and not page.warning
    assert f"{count} of {len(test.names)} test images are answered wrong" in said(page)
    assert f"1 to 8 of {count} mistakes" in said(page) and count > 8
    assert len(page.get("image")) == 2 * 8
    assert page.dataframe[0].value["Mistakes"].sum() == count
    page.get("pagination")[0].set_value(2)
    page = checked(page.run())
    assert f"9 to {min(16, count)} of {count} mistakes" in said(page)


def test_mistakes_are_filtered_by_class_and_confidence(repository):
    test = read_predictions(PREDICTIONS).subset("test")
    page = open_tab(error_truth="red")
    expected = worst_mistakes(test, truth="red")
    assert f"of {len(expected)} mistakes" in said(page) and len(expected)
    page.selectbox(key="error-answer").set_value(1)  # red, after all
    assert "Choose others" in said(checked(page.run()))
    page.selectbox(key="error-answer").set_value(0)
    page.slider(key="error-confidence").set_value((0, 1))
    assert "Choose others" in said(checked(page.run()))


def test_a_network_without_mistakes_gets_a_sentence(repository):
    found = read_predictions(PREDICTIONS)
    right = np.eye(3, dtype=np.float32)[found.truth]
    write_predictions(
        PREDICTIONS, Predictions(found.labels, found.names, found.split, found.truth, right)
    )
    LOCK.write_text("another")
    page = open_tab()
    assert "all 36 test images are answered right" in said(page)
    assert not page.get("image")


def test_stored_heatmaps_are_taken_and_the_bundle_is_asked_for_the_others(repository, monkeypatch):
    asked = []
    each = Predictor.each
    monkeypatch.setattr(
        Predictor, "each", lambda self, images: each(self, asked_for(images, asked))
    )
    explained = set(read_explained(EXPLAIN).predictions.names)
    test = read_predictions(PREDICTIONS).subset("test")
    worst = {test.names[index] for index in worst_mistakes(test, 8)}
    LOCK.write_text("another")
    open_tab()
    assert len(asked) == len(worst - explained)
    open_tab()
    assert len(asked) == len(worst - explained)  # cached


def asked_for(images, asked):
    for image in images:
        if isinstance(image, bytes):  # not one of the warming up
            asked.append(image)
        yield image


def test_another_bundle_is_named(repository):
    write_colours(BUNDLE, note="another")
    assert "from another bundle" in said(open_tab())


def test_without_a_bundle_the_images_are_there_and_the_rest_is_a_sentence(repository):
    shutil.rmtree(BUNDLE)
    page = open_tab()
    assert "There is no bundle here yet" in said(page)
    assert len(page.get("image")) >= 8


def test_a_class_that_the_bundle_does_not_have_has_no_heatmap(repository):
    test = read_predictions(PREDICTIONS).subset("test")
    name = test.names[0]
    found = errors._bundle_overlays(((name, "zebra"),), "0", (1,), Predictor(BUNDLE))
    assert "a class of this bundle is one of" in found[name]


def test_before_evaluation_it_says_so(repository):
    PREDICTIONS.unlink()
    assert "make repro" in said(open_tab())
