"""Where the project is in which a command is run."""

import os
from pathlib import Path


def project_root() -> Path:
    """The nearest folder above that has a dvc.yaml, as for DVC; if there is none, this one."""
    here = Path.cwd()
    roots = (folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists())
    return next(roots, here)


def from_here(path: Path) -> Path:
    """A path in the project, seen from the working directory."""
    return Path(os.path.relpath(project_root() / path))
