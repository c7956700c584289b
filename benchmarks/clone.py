"""Clone this repository for benchmarks, so that the working copy stays unchanged."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def clone(revision: str = "HEAD") -> Path:
    """Clone a revision into a temporary folder, and return it."""
    folder = Path(tempfile.mkdtemp(prefix="thaw-")) / "thaw"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "-q", "--detach", revision], cwd=folder, check=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Environment variables with which commands run the clone's code with this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(folder / "src")}


def timed(command: str, folder: Path) -> float:
    """Run a command in `folder` and return its seconds; append its output to ../benchmark.log."""
    with (folder.parent / "benchmark.log").open("a") as log:
        start = time.perf_counter()
        done = subprocess.run(
            command.split(), cwd=folder, env=environment(folder), stdout=log, stderr=log
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command} failed: see {log.name}")
    return seconds
