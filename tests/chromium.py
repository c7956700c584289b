"""A real browser, Debian's Chromium, and what must hold for every page in it."""

import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from project import ROOT

PROGRAM = shutil.which("chromium")
SCREENSHOTS = ROOT / "screenshots"
LOOPBACK = {"127.0.0.1", "localhost", ""}  # the last is that of data: and blob:
SERIOUS = {"serious", "critical"}
SECONDS = 15  # that a test waits for something on a page, at most


@contextmanager
def visiting(browser, url, expected=(), **context):
    """A visitor's page at an address, with cookies and the like of its own.

    At the end of the block: the console has no errors but those that contain an `expected` text,
    and no request has left the machine. context: of Playwright's `new_context`.
    """
    visitor = browser.new_context(**context)
    page = visitor.new_page()
    page.set_default_timeout(1000 * SECONDS)
    said, hosts = [], set()
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
    page.goto(url)
    try:
        yield page
    finally:
        visitor.close()
    errors = [text for text in said if text.startswith("error")]
    assert [text for text in errors if not any(part in text for part in expected)] == []
    assert hosts <= LOOPBACK


def violations(page, excused=()):
    """What axe-core finds on a page that is serious, as `rule: elements`.

    excused: pairs of a rule and a part of a selector, for elements that are not ours.
    """
    found = []
    for violation in Axe().run(page).response["violations"]:
        targets = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        left = [
            target
            for target in targets
            if not any(violation["id"] == rule and part in target for rule, part in excused)
        ]
        if violation["impact"] in SERIOUS and left:
            found.append(f"{violation['id']}: {left}")
    return found


def settle(page):
    """Wait until `thaw page` shows all that it has computed, tables and drawings included."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached")
    page.wait_for_timeout(500)


def overflow(page):
    """By how many pixels a page is wider than the window.

    A telephone's window.innerWidth grows with what is too wide, so it is not what is compared.
    """
    return page.evaluate("document.documentElement.scrollWidth") - page.viewport_size["width"]


def screenshot(page, name):
    """Keep a picture of an entire page, in a window as high as Streamlit's part that scrolls."""
    SCREENSHOTS.mkdir(exist_ok=True)
    scrolled = "document.querySelector('[data-testid=stMain]')?.scrollHeight"
    if height := page.evaluate(scrolled):
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
