"""Run sweeps on photographs in a clone, and compare their experiments, for benchmarks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from clone import clone, environment, timed

from thaw.experiments.git import git, list_experiments

SETUP = "mobilenetv2"  # of setups/


def photographs(archive: Path, weights: Path, settings: str) -> Path:
    """A clone whose params are the setup on an archive with weights of width 1.0, and settings."""
    folder = clone()
    for key in ("name", "email"):  # the clone's experiments are commits
        git(folder, "config", f"user.{key}", "benchmark")
    files = f"data.source={archive.resolve()} base.weights={weights.resolve()}"
    timed(f"thaw use {SETUP} {files} {settings}", folder)
    return folder


def sweep(folder: Path, grid: str) -> list[str]:
    """Run a grid, and return the names of its experiments, which did not exist before."""
    head = git(folder, "rev-parse", "HEAD")
    before = list_experiments(folder, head)
    seconds = timed(f"thaw sweep {grid}", folder)
    names = sorted(list_experiments(folder, head) - before)
    print(f"{len(names)} points in {seconds:.0f} s: {grid}", file=sys.stderr, flush=True)
    return names


def compare(folder: Path, names: list[str]) -> dict[str, Any]:
    """What `thaw compare` finds of experiments."""
    command = ["thaw", "compare", "--json", *names]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    return dict(json.loads(done.stdout))
