"""A private copy of the repository, in which points run and from which they are recorded."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from dvc.config import Config
from dvc.repo import Repo

from thaw.errors import ThawError
from thaw.experiments.git import git, reference, swept_message
from thaw.experiments.grid import Point
from thaw.experiments.pipeline import Pipeline
from thaw.params import local_path
from thaw.settings import edit

LOCAL_PATHS = (  # of data, that Git may not hold
    *("watch", "watch_table", "watch_relabel", "watch_unknown"),
    *("source", "table", "relabel", "unknown"),
)
# Outs are linked to the cache where that is possible, so that a copy needs no space.
LINKS = "reflink,hardlink,symlink,copy"
SECONDS_TO_END = 10.0


def describe_inputs(root: Path, revision: str) -> Callable[[dict[str, Any]], str]:
    """Return what describes the inputs of the pipeline, as a function of all params.

    Hashes: of what Git holds at the revision, of the contents; of other local inputs, of sizes and
    times.
    """
    tracked = git(root, "ls-tree", "-r", revision, "--", "dvc.yaml", *Pipeline(root).inputs())
    known: dict[str, str] = {}

    def describe(params: dict[str, Any]) -> str:
        for path in local_inputs(params):
            if path not in known:
                found = _tracked(root, revision, path) or _listing(root / path)
                known[path] = hashlib.sha256(found.encode()).hexdigest()
        return "\n".join([tracked, *(known[path] for path in local_inputs(params))])

    return describe


def local_inputs(params: dict[str, Any]) -> list[str]:
    """The local paths that params name: a source, tables, images of other things, weights.

    ThawError for a relative path that leads further out of the repository than its parent.
    """
    named = [params["data"][key] for key in LOCAL_PATHS] + [params["base"]["weights"]]
    paths = [str(local_path(path)) for path in named if path and "://" not in path]
    for path in paths:
        if Path(os.path.normpath(path)).parts[:2] == ("..", ".."):
            raise ThawError(
                "a source, a table or weights outside of the project's parent folder must be an "
                f"absolute path for a sweep, but is {path}: write {Path(path).resolve()}"
            )
    return paths


def _tracked(root: Path, revision: str, path: str) -> str:
    """The contents of a path at a revision, as hashes; empty if Git does not hold it."""
    inside = not os.path.isabs(path) and not path.startswith("..")
    return git(root, "ls-tree", "-r", revision, "--", path) if inside else ""


def _listing(path: Path) -> str:
    """Name, size and time of a file, or of all files in a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    stats = [(file, file.stat()) for file in files if not file.is_dir()]
    return "\n".join(f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in stats)


class Checkout:
    """A clone of the repository at `root`, with the files of a snapshot and the same DVC cache.

    baseline: the commit that its experiments start from. shared: a folder for the work that an
    interrupted stage resumes from, in whatever copy it runs next.
    """

    def __init__(self, root: Path, folder: Path, snapshot: tuple[str, str], shared: Path) -> None:
        self._root, self._folder = root, folder
        self._baseline, tree = snapshot
        git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder))
        git(folder, "update-ref", "--no-deref", "HEAD", self._baseline)
        git(folder, "read-tree", "--reset", "-u", tree)
        for key in ("user.name", "user.email"):
            git(folder, "config", key, _identity(root)[key])
        self._process: subprocess.Popen[bytes] | None = None
        self._pipeline = Pipeline(folder)
        self._params_text = (folder / "params.yaml").read_text(encoding="utf-8")
        self._configure()
        shared.mkdir(exist_ok=True)
        (folder / ".thaw").symlink_to(shared)

    def start(
        self,
        point: Point,
        before: dict[str, Any],
        log: Path,
        stdin: int | None = subprocess.DEVNULL,
    ) -> None:
        """Start the pipeline at a point, with the variables that DVC sets for an experiment.

        before: the params of the snapshot. log: where what the stages print goes. stdin: what they
        read from; None: they inherit that of this process.
        """
        text = edit(self._params_text, point.params, point.changed(before))
        (self._folder / "params.yaml").write_text(text, encoding="utf-8")
        self._link_inputs(point.params)
        self._started = time.monotonic()
        with log.open("w", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dvc", "repro"],
                cwd=self._folder,
                env=os.environ | {"DVC_EXP_NAME": point.name, "DVC_ROOT": str(self._root)},
                stdin=stdin,
                stdout=stream,
                stderr=stream,
            )

    def has_ended(self) -> bool:
        """Whether nothing runs here."""
        return self._process is None or self._process.poll() is not None

    def has_succeeded(self) -> bool:
        """Whether what ended here did so without an error."""
        return self._process is not None and self._process.poll() == 0

    def kill(self) -> None:
        """Kill what runs here, with all that it started.

        A stage outlives a killed DVC, so each process is killed. DVC is stopped first, so that it
        starts no stage after they are listed.
        """
        if self._process is None or self._process.poll() is not None:
            return
        dvc = psutil.Process(self._process.pid)
        dvc.suspend()
        os.waitid(os.P_PID, dvc.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        stages = dvc.children(recursive=True)
        for process in (dvc, *stages):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(stages, SECONDS_TO_END)

    def record(self, name: str) -> None:
        """Write the files as they are as an experiment into the repository, at once or not at all.

        The same as `dvc exp save`, which needs a second and a half of the processor. Only its
        message says how long it took, so that equal results have equal files.
        """
        outs = [*self._pipeline.uncached_outs(), "dvc.lock"]
        git(self._folder, "add", "--update")
        present = [out for out in outs if (self._folder / out).exists()]
        git(self._folder, "add", "--force", "--", *present)
        tree = git(self._folder, "write-tree")
        message = swept_message(name, time.monotonic() - self._started)
        commit = git(self._folder, "commit-tree", tree, "-p", self._baseline, "-m", message)
        ref = reference(self._baseline, name)
        # Of a killed push. Nothing else writes this reference.
        lock = git(self._root, "rev-parse", "--git-path", f"{ref}.lock")
        (self._root / lock).unlink(missing_ok=True)
        git(self._folder, "push", "--quiet", "--no-verify", str(self._root), f"{commit}:{ref}")

    def _configure(self) -> None:
        """Local settings of the repository, its cache, and links to it."""
        with Repo(str(self._root)) as repo:
            local, cache = repo.config.read("local"), repo.cache.local_cache_dir
        with Config(str(self._folder / ".dvc")).edit("local") as config:
            config.update(local)
            config.setdefault("cache", {}).update({"dir": cache, "type": LINKS})
            config.setdefault("core", {})["site_cache_dir"] = str(self._folder / ".dvc/tmp/site")

    def _link_inputs(self, params: dict[str, Any]) -> None:
        """Link the local inputs that Git does not hold, so that relative paths hold here."""
        for name in local_inputs(params):
            link, target = self._folder / name, self._root / name
            if not os.path.isabs(name) and target.exists() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target.resolve())


def _identity(root: Path) -> dict[str, str]:
    """Name and address of the user, which only this repository may have."""
    name, _, rest = git(root, "var", "GIT_COMMITTER_IDENT").partition(" <")
    return {"user.name": name, "user.email": rest.partition(">")[0]}
