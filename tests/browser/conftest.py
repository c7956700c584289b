"""The browser that the tests in this folder share."""

import pytest
from chromium import PROGRAM


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
