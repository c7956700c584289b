"""What can be compared in the repository here, and what changes whenever that does."""

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError

from thaw.errors import ThawError
from thaw.experiments.experiment import FILES, WORKSPACE
from thaw.experiments.git import git
from thaw.paths import CROSSVAL_METRICS, LOCK

HEAD = "HEAD"
EXPERIMENT = re.compile(  # among other references that DVC has there
    r"(?P<revision>\w+) refs/exps/(?P<commit>[0-9a-f]{2}/[0-9a-f]{38})/(?P<name>.+)"
)


@dataclass(frozen=True)
class Revisions:
    """Names and Git revisions of what can be compared."""

    current: dict[str, str]  # the commit, its experiments, and the working tree
    others: dict[str, str]  # experiments of other commits

    @property
    def all(self) -> dict[str, str]:
        """Both."""
        return self.current | self.others


def revisions() -> Revisions:
    """What can be compared here.

    A name that experiments of several commits have is followed by the first digits of the commit.
    Raises ThawError outside of a repository with a commit.
    """
    root = Path.cwd()
    head = git(root, "rev-parse", HEAD)
    lines = git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    found = [match for line in lines if (match := EXPERIMENT.fullmatch(line))]
    counts = Counter(match["name"] for match in found)
    current, others = {HEAD: head}, dict[str, str]()
    for match in found:
        name, commit = match["name"], match["commit"].replace("/", "")
        unique = name if counts[name] == 1 else f"{name} ({commit[:7]})"
        (current if commit == head else others)[unique] = match["revision"]
    return Revisions(current | {WORKSPACE: WORKSPACE}, others)


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
