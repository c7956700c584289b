"""`thaw page` in a real browser, in a repository: data, errors, experiments, and training."""

import csv
import os
import time

import pytest
from chromium import overflow, screenshot, settle, violations, visiting
from project import run
from running_page import paging
from running_server import running
from small_results import make_results
from small_training import make_repository

from thaw.page.texts import data, frame
from thaw.page.texts import experiments as texts

TOKEN = "0123456789abcdef"
PHONE = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}
SECONDS = 60


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The address of the page of a repository with the results of the stages."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_results(folder)
    with paging(folder) as url:
        yield url


@pytest.fixture(scope="module")
def experiments(compared):
    """The address of the page of a repository with two experiments."""
    with paging(compared) as url:
        yield url


def at(url, tab, part=None):
    """The address of a tab, and of a part of the tab Data."""
    address = f"{url}/?tab={frame.TABS[tab]}"
    return f"{address}&data-part={part}" if part else address


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("part", "key"),
    [
        (data.IMAGES, "images"),
        (data.SPLIT, None),
        (data.LEFT_OUT, None),
        (data.NEAR, None),
        (data.AUGMENTATION, "augmented"),
        (data.AUDIT, "audit-cards"),
    ],
)
def test_each_part_of_the_data_is_shown(browser, results, part, key, colour_scheme):
    with visiting(browser, at(results, "data", part), color_scheme=colour_scheme) as page:
        page.get_by_role("tab", name=part).wait_for()
        if key:
            page.locator(f".st-key-{key}").first.wait_for()
        settle(page)
        assert violations(page) == []
        screenshot(page, f"data-{part.lower().replace(' ', '-')}-{colour_scheme}")


def test_a_slider_of_augmentation_draws_new_views_and_writes_the_lines(browser, results):
    with visiting(browser, at(results, "data", data.AUGMENTATION)) as page:
        views = page.locator(".st-key-augmented img")
        views.nth(1).wait_for()
        before = views.nth(1).get_attribute("src")
        page.locator(".st-key-augment-rotation input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        lines = page.locator(".st-key-augment-lines")
        lines.get_by_text("rotation:").wait_for()
        assert "dvc exp run -S augment.rotation=" in lines.inner_text()
        settle(page)
        assert views.nth(1).get_attribute("src") != before


def test_a_decision_of_the_audit_is_in_the_downloaded_file(browser, results):
    with visiting(browser, at(results, "data", data.AUDIT)) as page:
        card = page.locator(".st-key-audit-cards [class*=st-key-audit-card-]").first
        card.wait_for()
        card.get_by_role("radio").last.click()  # drop
        end = time.monotonic() + SECONDS
        while not (rows := downloaded(page)) and time.monotonic() < end:
            page.wait_for_timeout(500)
        assert len(rows) == 1


def downloaded(page):
    """The rows of relabel.csv as of now."""
    with page.expect_download() as download:
        page.locator(".st-key-audit-download button").click()
    return list(csv.DictReader(download.value.path().read_text().splitlines()))


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_mistakes_stand_beside_their_heat_maps(browser, results, colour_scheme):
    with visiting(browser, at(results, "errors"), color_scheme=colour_scheme) as page:
        cards = page.locator("[class*=st-key-error-card-]")
        cards.first.wait_for()
        settle(page)
        assert cards.first.locator("img").count() == 2
        assert page.locator("[data-testid=stDataFrame]").first.is_visible()
        assert violations(page) == []
        screenshot(page, f"errors-{colour_scheme}")


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_experiments_are_compared_and_the_choice_survives_a_reload(
    browser, experiments, colour_scheme
):
    with visiting(browser, at(experiments, "experiments"), color_scheme=colour_scheme) as page:
        page.locator(".st-key-comparison canvas").first.wait_for()
        page.get_by_text("HEAD has the highest accuracy on").wait_for()
        page.locator(".st-key-disagreements").wait_for()
        settle(page)
        assert violations(page) == []
        screenshot(page, f"experiments-{colour_scheme}")
        page.locator(".st-key-experiments input").click()
        page.get_by_role("option", name="deep").click()
        page.keyboard.press("Escape")
        page.wait_for_url("**experiments=deep**")
        page.reload()
        page.locator(".st-key-experiments").get_by_text("deep").wait_for()


@pytest.mark.parametrize("tab", ["data", "errors", "experiments", "about"])
def test_on_a_phone_nothing_is_too_wide(browser, results, experiments, tab):
    url = experiments if tab == "experiments" else results
    with visiting(browser, at(url, tab), **PHONE) as page:
        page.get_by_role("tab", name=frame.TABS[tab], exact=True).wait_for()
        settle(page)
        assert overflow(page) <= 0 and violations(page) == []
        screenshot(page, f"{tab}-phone")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose training stays at a stage until it is cancelled."""
    folder = make_repository(tmp_path_factory.mktemp("training") / "repository")
    run("dvc repro -q && git add -A && git commit -qm results", folder)
    return folder


def variables(folder):
    """What the server's process needs to train there."""
    return {
        "THAW_TOKEN": TOKEN,
        "HOLD": str(folder.parent / "held"),
        "PYTHONPATH": str(folder / "src"),
    }


def test_a_training_is_started_and_cancelled_on_the_page(browser, repository):
    address = at("", "experiments")
    with (
        paging(repository, **variables(repository)) as url,
        visiting(browser, url + address) as page,
    ):
        token = page.locator(".st-key-token input")
        token.fill("0123456789abcdeX")
        token.press("Enter")
        page.get_by_text(texts.WRONG_TOKEN).wait_for()
        token.fill(TOKEN)
        token.press("Enter")
        page.locator(".st-key-param-train-head_epochs input").fill("999")
        page.locator(".st-key-start button").click()
        page.locator(".st-key-job").get_by_text(texts.STATES["running"]).wait_for(timeout=60_000)
        held(repository)
        settle_job(page)
        assert violations(page) == []
        screenshot(page, "training")
        page.locator(".st-key-cancel button").click()
        page.locator(".st-key-job").get_by_text(texts.STATES["cancelled"]).wait_for()


def settle_job(page):
    """Wait until the job's stage is shown."""
    page.locator(".st-key-job [role=progressbar]").first.wait_for()


def held(repository):
    """Wait until the stage stays."""
    end = time.monotonic() + SECONDS
    while not (repository.parent / "held").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    (repository.parent / "held").unlink()


def test_a_training_is_started_and_cancelled_on_the_api_s_page(browser, repository):
    command = ["-c", "from thaw.cli.main import main; main()", "serve", "--port", "0"]
    environment = os.environ | variables(repository)
    with (
        running(command, repository, environment=environment) as server,
        visiting(browser, f"{server.url}/training", expected=["401"]) as page,
    ):
        page.get_by_label("Token of this server").fill("wrong")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("heading", name="Not done").wait_for()
        page.get_by_label("Token of this server").fill(TOKEN)
        page.get_by_label("Params that differ").fill("train.head_epochs=999")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("heading", name="running: model").wait_for(timeout=60_000)
        held(repository)
        assert violations(page) == []
        screenshot(page, "training-api")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("heading", name="cancelled").wait_for()
