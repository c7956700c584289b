"""A real `thaw page` in a process of its own, on a free port of loopback."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import requests
from project import ROOT
from running_server import SECONDS, free_port


@contextmanager
def paging(folder, *options, **variables):
    """The address of the page, started in a folder, until the end of the block."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables
    command = ["-c", "from thaw.cli.main import main; main()", "page", "--port", str(port)]
    with (folder / "page.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command, *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait(f"{url}/_stcore/health", process, folder / "page.log")
        yield url
        assert "defect" not in (folder / "page.log").read_text()
    finally:
        process.terminate()
        process.wait(SECONDS)


def wait(url, process, log):
    """Until somebody answers there."""
    for _ in range(10 * SECONDS):
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(url, timeout=SECONDS).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())
