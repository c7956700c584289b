"""What can be compared in the repository here, and what changes whenever that does."""

import hashlib
import os
import re
from collections import Counter
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError

from thaw.errors import ThawError
from thaw.experiments.experiment import FILES, WORKSPACE
from thaw.experiments.git import git
from thaw.paths import CROSSVAL_METRICS, LOCK

HEAD = "HEAD"
EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2}/[0-9a-f]{38})/(.+)")  # DVC has others there, too


def revisions() -> dict[str, str]:
    """Names and Git revisions: the commit, the working tree, and all experiments.

    Those of the current commit come first. A name that several commits have is followed by the
    first digits of its commit. Raises ThawError outside of a repository with a commit.
    """
    root = Path.cwd()
    head = git(root, "rev-parse", HEAD)
    names = git(root, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    found = [match for name in names if (match := EXPERIMENT.fullmatch(name))]
    commits = {match[0]: match[1].replace("/", "") for match in found}
    found.sort(key=lambda match: (commits[match[0]] != head, match[2]))
    counts = Counter(match[2] for match in found)
    experiments = {
        match[2] if counts[match[2]] == 1 else f"{match[2]} ({commits[match[0]][:7]})": match[0]
        for match in found
    }
    return {HEAD: head, WORKSPACE: WORKSPACE} | experiments


def repository_state() -> str:
    """A hash that changes when experiments, the results here, or DVC's cache do.

    Raises ThawError outside of a repository with a commit.
    """
    root = Path.cwd()
    references = git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps")
    try:
        with Repo() as repo:
            cache = Path(repo.cache.local.path)
    except (DvcException, SCMError) as error:
        raise ThawError(f"comparing needs a repository of Git and DVC, but here: {error}") from None
    folders = sorted(cache.iterdir()) if cache.is_dir() else []
    paths = [LOCK, CROSSVAL_METRICS, *FILES, cache, *folders]
    text = "\n".join([git(root, "rev-parse", HEAD), references, *map(_state, paths)])
    return hashlib.sha256(text.encode()).hexdigest()


def _state(path: Path) -> str:
    """What changes when a file does, or the list of files in a folder."""
    try:
        found = os.stat(path)
    except OSError:
        return str(path)
    return f"{path} {found.st_ino} {found.st_mtime_ns} {found.st_size}"
