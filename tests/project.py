"""A small set of images, and a project around it in a repository of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent


def draw_shapes(folder: Path, count: int = 24) -> None:
    """Two class folders: discs and squares of any colour."""
    rng = np.random.default_rng(0)
    for label, shape in (("Disc", "ellipse"), ("Square", "rectangle")):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 120, (48, 48, 3), dtype=np.uint8)
            image = Image.fromarray(pixels)
            x, y = rng.integers(2, 18, 2).tolist()
            colour = tuple(rng.integers(130, 255, 3).tolist())
            getattr(ImageDraw.Draw(image), shape)((x, y, x + 26, y + 26), fill=colour)
            image.save(folder / label / f"{number}.png")


def run(command: str, folder: Path, expect: int = 0) -> str:
    """Run a shell command in `folder` with this interpreter's scripts; its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": path,
        "PYTHONPATH": str(folder / "src"),
        "KERAS_HOME": str(folder / ".keras"),
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    output = done.stdout + done.stderr
    assert done.returncode == expect, output
    return output


def copy_project(folder: Path) -> None:
    """The project's own files in a new Git and DVC repository, set to a tiny set of shapes."""
    for name in ("src", "stages", "setups", ".dvc/plots"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "setups/sample.yaml", folder / "params.yaml")
    draw_shapes(folder / "shapes")
    run("git init -q && git config user.email a@b.c && git config user.name Test", folder)
    settings = (
        "data.source=shapes base.weights=none base.image_size=32 base.alpha=0.35 "
        "train.freeze_till=140 train.head_epochs=2 train.fine_tune_epochs=1 train.hidden_units=[4] "
        "evaluate.explain_per_class=1 evaluate.mistakes=2 data.max_phash_distance=0"
    )
    run(f"thaw use sample {settings}", folder)
    run("git add -A && git commit -qm start", folder)
