"""The plots page in a real browser without network."""

import os
import shutil
import subprocess

import pytest
from dvc_render.html import render_html
from dvc_render.vega import VegaRenderer

from thaw.evaluate.plots_page import write_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path)
    return path


@pytest.fixture(scope="module")
def page(template):
    """The page as DVC fills it, with a line chart and a confusion matrix."""
    points = [{"epoch": i, "loss": 1 / (i + 1), "rev": "workspace"} for i in range(5)]
    predictions = [{"actual": a, "predicted": b, "rev": "workspace"} for a in "ab" for b in "abb"]
    charts = [
        VegaRenderer(points, "loss", x="epoch", y="loss", template="simple"),
        VegaRenderer(points, "smooth", x="epoch", y="loss", template="linear"),
        VegaRenderer(predictions, "confusion", x="predicted", y="actual", template="confusion"),
    ]
    path = template.parent / "index.html"
    render_html(charts, path, html_template=template)
    return path


def test_the_page_loads_nothing_from_a_server(page):
    text = page.read_text(encoding="utf-8")
    assert "<script src" not in text
    assert "cdn." not in text
    assert "{plot_divs}" not in text and "{refresh_tag}" not in text


def test_the_template_is_reproducible(template, tmp_path):
    write_page(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == template.read_bytes()


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_without_network_draws_every_chart(page, tmp_path):
    command = [
        BROWSER,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path}"),
        *("--virtual-time-budget=5000", "--dump-dom", page.as_uri()),
    ]
    shown = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"HOME": str(tmp_path)},
    )
    assert shown.stdout.count('class="marks"') == 3, shown.stderr
    assert ">epoch<" in shown.stdout
