"""Measure the serving core: its size, and the time from starting Python to one prediction.

    python benchmarks/core.py

Installs this project without extras into a new virtual environment in a temporary folder, and
predicts an image five times with the bundle of the last `dvc repro`, each time in a new process.
Prints a Markdown table.
"""

import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

from clone import ROOT, clone

from thaw.data.tables import read_rows

PREDICT = """
import sys
import thaw

thaw.load(sys.argv[1])(sys.argv[2])
"""


def install(folder: Path) -> Path:
    """Install the core into a new virtual environment in `folder`, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder / "core"], check=True)
    python = folder / "core/bin/python"
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    constraints = ROOT / "requirements-serve.txt"
    subprocess.run([*pip, "-c", constraints, clone()], check=True)
    return python


def main() -> None:
    """Install, predict and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        python = install(folder)
        packages = folder.glob("core/lib/*/site-packages/**/*")
        size = sum(path.stat().st_size for path in packages if path.is_file())
        [row] = islice(read_rows(ROOT / "data/images.parquet", ["bytes"]), 1)
        (folder / "image").write_bytes(row["bytes"])
        command = [python, "-c", PREDICT, ROOT / "models/bundle", folder / "image"]
        times = []
        for _ in range(6):
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, check=True)
            times.append(time.perf_counter() - start)
    print("| core environment, MB | start, import and one prediction, s (median) |\n|---|---|")
    print(f"| {size / 1e6:.0f} | {median(times[1:]):.2f} |")


if __name__ == "__main__":
    main()
