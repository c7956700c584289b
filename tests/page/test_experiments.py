"""The tab Experiments, on a real repository with experiments, and real jobs."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
import yaml
from project import ROOT, run
from small_training import make_repository as make_training_repository
from streamlit.testing.v1 import AppTest

from thaw.page.texts import experiments as texts
from thaw.paths import PUBLISHED
from thaw.serving.jobs import Jobs

TOKEN = "0123456789abcdef"
SECONDS = 60


@pytest.fixture
def enter(monkeypatch):
    """A function that makes a repository the one in which the page and its jobs run."""

    def enter(folder, token=TOKEN):
        monkeypatch.chdir(folder)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        monkeypatch.setenv("PATH", path)
        monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
        monkeypatch.setenv("HOLD", str(folder.parent / "held"))
        monkeypatch.delenv("THAW_TOKEN", raising=False)
        if token:
            monkeypatch.setenv("THAW_TOKEN", token)

    return enter


def opened(**query):
    """The tab, as the address of the page opens it."""
    page = AppTest.from_file(str(ROOT / "src/thaw/page/app.py"), default_timeout=SECONDS)
    page.query_params["tab"] = "Experiments"
    for name, value in query.items():
        page.query_params[name] = value
    return checked(page.run())


def checked(page):
    assert not page.exception and texts.COMPARE in [one.value for one in page.header]
    return page


def said(page):
    """All that the page says in text, without the marks that protect names from Markdown."""
    kinds = (page.text, page.markdown, page.caption, page.info, page.error, page.subheader)
    return "\n".join(str(one.value) for kind in kinds for one in kind).replace("\\", "")


def signed_in(page):
    return checked(page.text_input(key="token").input(TOKEN).run())


def test_it_compares_the_commit_and_its_experiments_in_the_words_of_thaw_compare(compared, enter):
    enter(compared, token=None)
    page = opened()
    table = page.dataframe[0].value
    assert list(table["experiment"]) == ["HEAD", "near", "deep"]
    assert list(table["freeze_till"]) == [10, 12, 80]
    assert list(table["accuracy"]) == sorted(table["accuracy"], reverse=True)
    assert (table["low"] < table["accuracy"]).all() and (table["high"] > table["accuracy"]).all()
    assert not any("test" in column for column in table)
    assert "HEAD has the highest accuracy on" in said(page)
    tests = page.dataframe[1].value
    assert list(tests["the first is"]) == ["not distinguishable", "better", "better"]
    assert "HEAD and near: not distinguishable" in said(page)
    assert texts.DEPTH in said(page) and texts.TRAINING_OFF in said(page)
    assert not page.text_input


def test_two_are_shown_side_by_side_with_the_images_on_which_one_is_right(compared, enter):
    enter(compared, token=None)
    page = opened(first="HEAD", second="deep")
    assert "HEAD and deep: the former is better" in said(page)
    assert texts.DISAGREE.partition(":")[0] in said(page)
    page = checked(page.selectbox(key="second").select("HEAD").run())
    assert texts.SAME_TWICE in said(page)


def test_a_choice_survives_a_reload_and_shows_test_figures(compared, enter):
    enter(compared, token=None)
    page = opened(experiments=["deep", "workspace"])
    assert page.multiselect(key="experiments").value == ["deep", "workspace"]
    table = page.dataframe[0].value
    assert list(table["experiment"]) == ["workspace", "deep"]
    assert table["test_accuracy"].between(0.5, 1).all()
    assert texts.TEST_IS_SHOWN in said(page)


def test_a_new_experiment_is_there_at_the_next_click(unswept, tmp_path, enter):
    folder = shutil.copytree(unswept, tmp_path / "repository", symlinks=True)
    enter(folder, token=None)
    page = opened()
    assert list(page.dataframe[0].value["experiment"]) == ["HEAD"]
    assert "One setting" in said(page) and texts.TWO not in said(page)
    run("dvc exp run -q -n new -S train.freeze_till=80", folder)
    run("git checkout -q . && dvc checkout -q", folder)
    assert list(checked(page.run()).dataframe[0].value["experiment"]) == ["HEAD", "new"]
    revision = run("git for-each-ref --format='%(objectname)' 'refs/exps/**/new'", folder).strip()
    lock = yaml.safe_load(run(f"git show {revision}:dvc.lock", folder))
    [md5] = [
        out["md5"]
        for out in lock["stages"]["model"]["outs"]
        if out["path"] == "outputs/predictions.csv"
    ]
    (folder / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").unlink()
    assert list(checked(page.run()).dataframe[0].value["experiment"]) == ["HEAD"]
    assert "new is left out: outputs/predictions.csv of new must be in" in said(page).replace(
        "\\", ""
    )


def test_without_a_result_it_says_what_to_do(tmp_path, enter):
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    enter(tmp_path, token=None)
    assert "needs a Git repository with a commit" in said(opened())


def test_a_wrong_token_and_a_wrong_param_are_one_line_each(compared, enter):
    enter(compared)
    page = opened()
    page.text_input(key="token").input("0123456789abcdeX").run()
    assert texts.WRONG_TOKEN in said(checked(page))
    assert len(page.text_input) == 1  # no form
    signed_in(page)
    for key, text, message in (
        ("param-train-dropout", "1.5", "train.dropout must be less than 1, but is 1.5"),
        ("param-train-dropout", "[", "must be valid YAML"),
        ("params", "data.source=https://example.org", "but not 'data.source'"),
        ("params", "train.dropout", "key=value"),
    ):
        for field in (page.text_input(key="param-train-dropout"), page.text_area(key="params")):
            field.input(text if field.key == key else "")
        page.button(key="start").click().run()
        assert len(checked(page).error) == 1 and message in said(page)
    assert Jobs(compared, compared / PUBLISHED).latest() == []


def test_a_sweep_runs_from_the_form_and_its_ranking_is_shown(unswept, tmp_path, enter):
    folder = shutil.copytree(unswept, tmp_path / "repository", symlinks=True)
    enter(folder)
    page = signed_in(opened())
    page.text_input(key="param-train-freeze_till").input("all, 80")
    page.button(key="start").click().run()
    assert "With train.freeze_till=all,80" in said(checked(page))
    assert page.button(key="start").disabled and page.button(key="cancel")
    end = time.monotonic() + SECONDS
    while texts.STATES["succeeded"] not in said(page) and time.monotonic() < end:
        time.sleep(0.3)
        checked(page.run())
    assert "Chosen, by val accuracy: freeze_till=80-" in said(page)
    assert not page.button(key="start").disabled
    names = list(checked(page.run()).dataframe[0].value["experiment"])  # it may have ended after
    assert [name.partition("-")[0] for name in names] == [
        *("HEAD", "freeze_till=80", "freeze_till=all"),
    ]
    assert run("git status --porcelain", folder) == ""


def test_a_training_from_the_form_can_be_cancelled(tmp_path, enter):
    folder = make_training_repository(tmp_path / "repository")
    run("dvc repro -q && git add -A && git commit -qm results", folder)
    enter(folder)
    page = signed_in(opened())
    page.text_input(key="param-train-head_epochs").input("999")  # the stage model stays
    page.button(key="start").click().run()
    end = time.monotonic() + SECONDS
    while not Path(os.environ["HOLD"]).exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert texts.STATES["running"] in said(checked(page.run()))
    job = Jobs(folder, folder / PUBLISHED)
    with pytest.raises(Exception, match="one job runs at a time"):
        job.start({})  # nor does the API start another
    checked(page.button(key="cancel").click().run())
    assert texts.STATES["cancelled"] in said(page)
    assert job.latest()[0]["state"] == "cancelled"
