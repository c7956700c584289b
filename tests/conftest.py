"""What tests share."""

import os
import shutil

import pytest
from chromium import PROGRAM
from project import copy_project, run
from small_repository import make_repository

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project that has run once, end to end; tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    run("dvc repro", folder)
    run("git add -A && git commit -qm ran", folder)
    return folder


@pytest.fixture(scope="session")
def unswept(tmp_path_factory):
    """A small repository with results and no experiment; tests leave it as they find it."""
    folder = tmp_path_factory.mktemp("made") / "repository"
    folder.mkdir()
    make_repository(folder)
    return folder


@pytest.fixture(scope="session")
def compared(unswept, tmp_path_factory):
    """The same with two experiments."""
    folder = tmp_path_factory.mktemp("compared") / "repository"
    shutil.copytree(unswept, folder, symlinks=True)
    for depth in ("near=12", "deep=80"):
        name, _, layers = depth.partition("=")
        run(f"dvc exp run -q -n {name} -S train.freeze_till={layers}", folder)
        run("git checkout -q . && dvc checkout -q", folder)
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium, with a camera that shows a test pattern."""
    if PROGRAM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=["--no-sandbox", *camera]
        )
        yield browser
        browser.close()
