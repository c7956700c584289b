"""A real server in a process of its own, on a free port of loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from project import ROOT

PROGRAM = """
import json
import sys

from thaw.cli.serve import log_json
from thaw.serving.app import create_app
from thaw.serving.published import LiveBundle
from thaw.serving.server import serve
from thaw.serving.settings import ServeSettings

settings = ServeSettings(port=0, **json.loads(sys.argv[2]))
log_json()
serve(create_app(LiveBundle(sys.argv[1]), settings), settings)
"""
SECONDS = 30  # that a test waits, at most


@dataclass
class Running:
    """url: of the server. process: it. log: the file of its lines."""

    url: str
    process: subprocess.Popen
    log: Path

    def lines(self):
        """The lines of its log, parsed."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def post(self, path="/predict", **more):
        """The response to a POST, on a new connection."""
        return requests.post(self.url + path, timeout=SECONDS, **more)

    def get(self, path, **more):
        """The response to a GET, on a new connection."""
        return requests.get(self.url + path, timeout=SECONDS, **more)

    def connect(self):
        """A bare connection."""
        address = urlsplit(self.url)
        return socket.create_connection((address.hostname, address.port), timeout=SECONDS)

    def stop(self):
        """Send SIGTERM, and wait; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=SECONDS)


@contextmanager
def running(command, folder, program=sys.executable, environment=None):
    """Run a command that serves, until the end of the block."""
    log = folder / "log.jsonl"
    environment = environment or os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with log.open("w") as stream:
        process = subprocess.Popen([program, *command], cwd=folder, env=environment, stderr=stream)
    try:
        yield Running(_address(process, log), process, log)
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(bundle, folder, **settings):
    """Serve a bundle with these settings, until the end of the block."""
    with running(["-c", PROGRAM, str(bundle), json.dumps(settings)], folder) as server:
        yield server


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _address(process, log):
    """What the log says, once it says it."""
    for _ in range(10 * SECONDS):
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return json.loads(line)["address"]
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text())
