"""The tab About, and the look that the page shares with the API's form and the plots."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from project import ROOT
from streamlit.testing.v1 import AppTest

from thaw.evaluate.plots import BLUE, SKY
from thaw.files import write_json
from thaw.page import about
from thaw.page.markdown import plain
from thaw.page.texts import about as texts
from thaw.paths import EVAL_METRICS

PAGE = ROOT / "src/thaw/page"
EVAL = {"accuracy": 0.8875, "accuracy_low": 0.829, "accuracy_high": 0.928, "ece": 0.0417, "n": 160}
INGEST = {"images": 803, "classes": {"Cat": 401, "Dog": 402}, "left_out": {"empty": 2, "HEIC": 3}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["app.py"])
    return tmp_path


def show():
    page = AppTest.from_file(str(PAGE / "app.py"), default_timeout=30)
    page.query_params["tab"] = "About"
    page.run()
    assert not page.exception and not page.error
    return page


def test_each_section_is_shown_without_a_bundle_or_a_repository(folder):
    page = show()
    assert [header.value for header in page.header] == list(texts.SECTIONS.values())
    assert {path.stem for path in about.FOLDER.glob("*.md")} == set(texts.SECTIONS)
    assert any("flowchart" in text.value for text in page.markdown) and not page.metric


def test_numbers_are_those_of_the_repository(folder):
    Path("dvc.yaml").write_text("stages: {}\n")
    write_json(EVAL_METRICS, EVAL)
    write_json(about.INGEST_METRICS, INGEST)
    page = show()
    assert [metric.value for metric in page.metric] == ["88.8 %", "0.042", "160"]
    assert page.metric[0].delta == "82.9 to 92.8 %"
    assert texts.COUNTS.format(images=803, classes=2, left_out=5) in [
        m.value for m in page.markdown
    ]


def test_the_picture_has_every_stage():
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]) - {"plots_page"}
    picture = (about.FOLDER / "path_of_data.mmd").read_text()
    assert stages <= set(re.findall(r"\b(\w+)\[\"", picture))


def test_page_form_and_plots_have_the_same_accent():
    theme = tomllib.loads((PAGE / "theme.toml").read_text())["theme"]
    accents = [theme[scheme]["primaryColor"] for scheme in ("light", "dark")]
    assert accents == [BLUE.lower(), SKY.lower()]
    form = (ROOT / "src/thaw/serving/static/page.css").read_text()
    assert re.findall(r"--accent: (#\w+)", form) == accents
    assert f"--accent: light-dark({', '.join(accents)})" in (PAGE / "look.css").read_text()
    assert BLUE.lower() in (ROOT / "src/thaw/serving/static/icon.svg").read_text()


def test_names_are_shown_as_they_are():
    assert plain("a*b*\n[c](d) :cat: $x$") == r"a\*b\* \[c\]\(d\) \:cat\: \$x\$"
