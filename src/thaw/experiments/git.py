"""Git, for experiments: run it, read files of a revision, and what experiments there are."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from thaw.errors import ThawError

SWEPT = "thaw sweep:"  # how the messages of a sweep's experiments begin


def git(folder: Path, *words: str, index: Path | None = None) -> str:
    """Run Git in a folder, on another index if one is given; what it prints.

    ThawError with Git's message if it fails.
    """
    environment = os.environ | ({"GIT_INDEX_FILE": str(index)} if index else {})
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise ThawError(
            "an experiment needs a Git repository with a commit and a user name, but git "
            f"{words[0]} says: {reason}"
        )
    return done.stdout.removesuffix("\n")


def snapshot(folder: Path) -> tuple[str, str]:
    """The last commit, and a tree of the tracked files as they are; the index stays as it is."""
    commit = git(folder, "rev-parse", "HEAD")
    with tempfile.TemporaryDirectory() as temporary:
        index = Path(temporary) / "index"
        shutil.copy(folder / git(folder, "rev-parse", "--git-path", "index"), index)
        git(folder, "add", "--update", index=index)
        return commit, git(folder, "write-tree", index=index)


def reference(baseline: str, name: str) -> str:
    """The reference of an experiment, as DVC names it."""
    return f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}"


def list_experiments(folder: Path, baseline: str) -> set[str]:
    """Names of the experiments that start at a commit."""
    pattern = reference(baseline, "").rstrip("/")
    names = git(folder, "for-each-ref", "--format=%(refname:lstrip=4)", pattern)
    return set(names.splitlines())


def swept_message(name: str, seconds: float) -> str:
    """The message of the commit that is a point of a sweep. seconds: from start to end."""
    return f"{SWEPT} {name}\n\nseconds: {seconds:.1f}\n"


def seconds_of(message: str) -> float | None:
    """The seconds in the message of a commit, if it is a point of a sweep."""
    found = re.search(r"(?m)^seconds: (\d+\.\d)$", message) if message.startswith(SWEPT) else None
    return float(found[1]) if found else None


def read_file(folder: Path, revision: str, path: Path) -> str | None:
    """The text of a file at a revision; None if it has none."""
    done = subprocess.run(
        ["git", "-C", str(folder), "show", f"{revision}:{path.as_posix()}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return done.stdout if done.returncode == 0 else None
