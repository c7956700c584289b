"""How quick `thaw page` is, in a real browser: one image, 200 images, ten visitors.

    python benchmarks/page.py ARCHIVE WEIGHTS [--visits 10] [--seconds 120]

ARCHIVE: a zip of photographs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 without its top. In a
clone a head is trained on the frozen base, MobileNetV2 1.0 at 224 pixels. The browser is Debian's
Chromium, on the same cores. In turn:

- first load: from the request of a new visitor, with an empty cache, until images can be chosen;
- one photograph of 500 x 375: from the choice of the file until its answer and heat map are shown;
- 200 photographs: from the choice until the table and the download are there;
- ten visitors, for --seconds: each uploads, moves a slider and opens a tab, again and again; errors
  on the page or in its log, and the memory of the page's process after 20 s and at the end.

Prints a Markdown table.
"""

import argparse
import asyncio
import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
from clone import environment
from playwright.async_api import Browser, Page, async_playwright
from predict import trained, typical
from serving import free_port

FILES = ".st-key-upload input[type=file]"
ANSWER = ".st-key-answer .bars"
HEAT_MAP = ".st-key-heat-map img"
DRAWN = """selector => {
  const image = document.querySelector(selector);
  return image?.complete && image.naturalWidth > 0;
}"""
WRONG = "[data-testid=stException], [data-testid=stAlertContentError]"
TABS = ("Experiments", "Data", "Errors", "About", "Try it")
MANY, VISITORS, SETTLED = 200, 10, 20.0
TIMEOUT = 60_000  # milliseconds


@asynccontextmanager
async def visiting(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A new visitor's page, once images can be chosen."""
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(TIMEOUT)
    await page.goto(url)
    await page.locator(FILES).wait_for(state="attached")
    yield page
    await context.close()


async def first_loads(browser: Browser, url: str, visits: int) -> list[float]:
    """Seconds of each."""
    found = []
    for _ in range(visits):
        start = perf_counter()
        async with visiting(browser, url):
            found.append(perf_counter() - start)
    return found


async def single_images(browser: Browser, url: str, paths: list[Path]) -> list[float]:
    """Seconds of each."""
    found = []
    async with visiting(browser, url) as page:
        for path in paths:
            start = perf_counter()
            await answered(page, path)
            found.append(perf_counter() - start)
            await removed(page)
    return found


async def answered(page: Page, path: Path) -> None:
    """Upload an image, and wait until its answer and its heat map are shown."""
    await page.locator(FILES).set_input_files(path)
    await page.locator(ANSWER).wait_for()
    await page.wait_for_function(DRAWN, arg=HEAT_MAP)


async def removed(page: Page) -> None:
    """Take the image away, if the page still has it, and wait until its answer is gone."""
    for button in await page.get_by_role("button", name="Remove ").all():
        await button.click()
    await page.locator(ANSWER).wait_for(state="detached")


async def many_images(browser: Browser, url: str, paths: list[Path]) -> float:
    """Seconds until all are answered."""
    async with visiting(browser, url) as page:
        start = perf_counter()
        await page.locator(FILES).set_input_files(paths)
        await page.get_by_text(f"{len(paths)} images: ").wait_for()
        await page.locator(".st-key-answers canvas").first.wait_for()
        await page.locator(".st-key-download button").wait_for()
        return perf_counter() - start


async def click(page: Page, paths: list[Path], end: float) -> tuple[int, int]:
    """Use the page until then; how often, and how many errors it showed."""
    errors = 0
    for rounds in itertools.count():
        if perf_counter() > end:
            break
        await answered(page, paths[rounds % len(paths)])
        await page.locator(".st-key-opacity input[type=range]").focus()
        await page.keyboard.press("ArrowLeft")
        await page.get_by_role("tab", name=TABS[rounds % len(TABS)]).click()
        await page.wait_for_timeout(300)
        errors += await page.locator(WRONG).count()
        await page.get_by_role("tab", name="Try it").click()
        await page.locator(FILES).wait_for(state="attached")
        await removed(page)
    return rounds, errors


async def many_visitors(
    browser: Browser, url: str, paths: list[Path], seconds: float, memory: Callable[[], float]
) -> tuple[int, int, float, float]:
    """Rounds and errors of all, and MiB of the page's process when SETTLED and at the end."""
    end = perf_counter() + seconds

    async def visit(number: int) -> tuple[int, int]:
        async with visiting(browser, url) as page:
            return await click(page, paths[number::VISITORS], end)

    visits = [asyncio.create_task(visit(number)) for number in range(VISITORS)]
    await asyncio.sleep(SETTLED)
    settled = memory()
    found = await asyncio.gather(*visits)
    return sum(rounds for rounds, _ in found), sum(errors for _, errors in found), settled, memory()


async def measure(folder: Path, paths: list[Path], visits: int, seconds: float) -> None:
    """Start the page, and print the table."""
    log, port = folder.parent / "page.log", free_port()
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["thaw", "page", "--port", str(port)],
            cwd=folder,
            env=environment(folder),
            stdout=stream,
            stderr=stream,
        )

    def memory() -> float:
        return psutil.Process(process.pid).memory_info().rss / 2**20

    url = f"http://127.0.0.1:{port}"
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            while "URL" not in log.read_text():
                time.sleep(0.05)
            print("| what | measured |\n|---|---|")
            first, *later = await first_loads(browser, url, visits + 1)
            print(f"| the server's first load; later ones | {first:.1f} s; {median(later):.1f} s |")
            warm, *times = await single_images(browser, url, paths[: visits + 1])
            print(f"| its first photograph; later ones | {warm:.2f} s; {median(times):.2f} s |")
            taken = await many_images(browser, url, paths[:MANY])
            print(f"| {MANY} photographs; memory then | {taken:.1f} s; {memory():.0f} MiB |")
            found = await many_visitors(browser, url, paths, seconds, memory)
            rounds, errors, settled, last = found
            defects = log.read_text().count("Traceback")
            print(
                f"| {VISITORS} visitors for {seconds:.0f} s: rounds; errors shown; in the log",
                end="",
            )
            print(f" | {rounds}; {errors}; {defects} |")
            print(f"| memory after {SETTLED:.0f} s; at the end", end="")
            print(f" | {settled:.0f} MiB; {last:.0f} MiB, {last / settled:.2f} times |")
            await browser.close()
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Train, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--visits", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    if shutil.which("chromium") is None:
        sys.exit("there is no chromium: apt-get install chromium")
    folder, paths = trained(options.archive, options.weights)
    asyncio.run(measure(folder, typical(paths), options.visits, options.seconds))


if __name__ == "__main__":
    main()
