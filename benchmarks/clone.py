"""A clone of this repository to measure in, so that nothing in the working copy changes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def clone() -> Path:
    """Clone into a temporary folder; commands started from here run the clone's code."""
    folder = Path(tempfile.mkdtemp(prefix="thaw-")) / "thaw"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = str(folder / "src")
    return folder
