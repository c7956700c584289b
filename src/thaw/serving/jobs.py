"""Training, or a sweep, as a job: one at a time, in a process of its own, with its state in files.

The kernel says what runs, not a number of a process, which another may have by now. The job's
standard input is the file `lock`, locked; all that the job starts inherits it, so it stays locked
until the last of them has ended, also if this server is killed. The file `process` is locked by
the job's own process only: once that is free and the other is not, the job was killed and what it
started lives on, and is killed. All are one process group, which keeps its number as long as one
of them lives.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

from thaw.errors import ThawError
from thaw.paths import JOBS
from thaw.serving.errors import ApiError, api_error
from thaw.serving.job_params import check_keys
from thaw.serving.job_state import (
    CANCELLED,
    CANCELLED_MARK,
    COPY,
    ENDED,
    LOCK,
    LOG,
    LOST,
    PROCESS,
    PUBLISHED,
    QUEUED,
    log_tail,
    read_state,
    update_state,
)
from thaw.serving.publish import published
from thaw.serving.token import TOKEN

PROGRAM = "thaw.cli.training_job"
JOB = re.compile(r"\d{8}-\d{9}-[0-9a-f]{8}")
MOST_JOBS = 20  # whose folders are kept
SECONDS_TO_DIE = 10.0
PAUSE = 0.02


class Jobs:
    """The jobs of a repository.

    root: the repository. folder: where a bundle that passes the gate is published, see
    thaw.serving.publish. A running job of an earlier server is found again.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._published = root.absolute(), folder.absolute()
        self._jobs = self._root / JOBS
        self._mutex = Lock()
        self._jobs.mkdir(parents=True, exist_ok=True)
        (self._jobs / LOCK).touch()
        if running := self._running():
            self._watch(running)

    def start(
        self, params: dict[str, Any], sweep: dict[str, list[Any]] | None = None
    ) -> dict[str, Any]:
        """Start a training with these params, by full key, instead of those of params.yaml.

        sweep: the values of further params; every combination is run as by `thaw sweep`, and
        nothing is published. Returns the job's state. Raises ApiError: 400 for params that may not
        be set or are not valid, 409 while another runs.
        """
        asked = {"params": params, "sweep": sweep or {}}
        check_keys(**asked)
        with (self._jobs / LOCK).open("a+", encoding="ascii") as lock:
            self._take(lock)
            self._check(asked)
            self._delete_old()
            now = datetime.now(UTC)  # so that names are in the order of time
            job = f"{now:%Y%m%d-%H%M%S}{now.microsecond // 1000:03}-{secrets.token_hex(4)}"
            process = self._spawn(job, asked, lock)
        self._watch(job, process)
        return self.get(job)

    def get(self, job: str) -> dict[str, Any]:
        """The state of a job, with the end of its log. ApiError 404 if there is none."""
        return self._settled(job) | {"log": log_tail(self._jobs / job)}

    def latest(self) -> list[dict[str, Any]]:
        """The states of the jobs that are kept, the newest first."""
        states = []
        for job in self._listed():
            with contextlib.suppress(ApiError):  # it has been deleted since
                states.append(self._settled(job))
        return states

    def cancel(self, job: str) -> dict[str, Any]:
        """End a job with all that it started; its state, which says if it had ended before."""
        if self._settled(job)["state"] not in ENDED:
            (self._jobs / job / CANCELLED_MARK).touch()
            self._kill(job)
        return self.get(job)

    def _check(self, asked: dict[str, Any]) -> None:
        """Raise ApiError unless thaw.params finds the params valid; it is not of the core."""
        done = subprocess.run(
            [sys.executable, "-m", PROGRAM, "check"],
            input=json.dumps(asked, default=str),  # a date of YAML is no valid value
            cwd=self._root,
            env=_environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode == 2:
            raise api_error("wrong_params", done.stderr.strip())
        if done.returncode:
            raise ThawError(f"params cannot be checked: {done.stderr.strip()[-1000:]}")

    def _take(self, lock: IO[str]) -> None:
        """Lock it for a new job, waiting for one that has said its end and is about to exit."""
        end = time.monotonic() + SECONDS_TO_DIE
        while True:
            with self._mutex:
                if _lock(lock, fcntl.LOCK_EX):
                    lock.truncate(0)
                    return
                running = self._named()
            folder = self._jobs / (running or "none")  # not there yet while it is being started
            is_ending = folder.is_dir() and read_state(folder)["state"] in ENDED
            if not is_ending or time.monotonic() > end:
                what = running or "one that is being started"
                raise api_error("job_running", f"one job runs at a time, and now {what} does")
            time.sleep(PAUSE)

    def _spawn(self, job: str, asked: dict[str, Any], lock: IO[str]) -> "subprocess.Popen[bytes]":
        folder, hidden = self._jobs / job, self._jobs / f".{job}"
        hidden.mkdir()
        update_state(hidden, id=job, state=QUEUED, **asked, created=time.time())
        with (hidden / PROCESS).open("w") as own, (hidden / LOG).open("ab") as log:
            _lock(own, fcntl.LOCK_EX)
            lock.write(job)
            lock.flush()
            hidden.rename(folder)  # whoever sees it sees that it runs
            return subprocess.Popen(
                [sys.executable, "-m", PROGRAM, "run", str(folder), str(self._published)],
                cwd=self._root,
                env=_environment(),
                stdin=lock,
                stdout=log,
                stderr=log,
                pass_fds=[own.fileno()],
                start_new_session=True,
            )

    def _watch(self, job: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
        """Once the job's process has ended, see to it that nothing of the job runs on."""

        def wait() -> None:
            with (self._jobs / job / PROCESS).open() as own:
                fcntl.flock(own, fcntl.LOCK_SH)
            if process:
                process.wait()
            self._kill(job)
            self._settled(job)

        Thread(target=wait, daemon=True).start()

    def _settled(self, job: str) -> dict[str, Any]:
        """The state of a job, brought up to date if it was killed."""
        folder, state = self._jobs / job, self._state(job)
        if state["state"] in ENDED:
            return state
        if self._running() == job:
            if _is_locked(folder / PROCESS):
                return read_state(folder)
            self._kill(job)
        state = read_state(folder)  # once more: it may have ended since
        if state["state"] in ENDED:
            return state
        shutil.rmtree(folder / COPY, ignore_errors=True)
        is_published = state.get("publishes") in published(self._published)[:1]
        cancelled = (folder / CANCELLED_MARK).exists()
        ended = PUBLISHED if is_published else CANCELLED if cancelled else LOST
        return update_state(folder, state=ended, ended=time.time())

    def _state(self, job: str) -> dict[str, Any]:
        """What the job's folder says. ApiError 404 if there is none."""
        if JOB.fullmatch(job):
            try:
                return read_state(self._jobs / job)
            except ThawError:
                if (self._jobs / job).exists():
                    raise
        raise api_error("not_found", "there is no job of this name: see GET /jobs")

    def _kill(self, job: str) -> None:
        """Kill the process group of a job that runs, and wait for its end."""
        end = time.monotonic() + SECONDS_TO_DIE
        while self._running() == job:
            if time.monotonic() > end:
                raise ThawError(f"job {job} does not end: kill its processes by hand")
            if (group := read_state(self._jobs / job).get("pid")) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            time.sleep(PAUSE)

    def _running(self) -> str | None:
        """The job of which something runs; None if nothing does, or one is just being started."""
        with self._mutex:  # a start in between would take this look for a job that runs
            return self._named() if _is_locked(self._jobs / LOCK) else None

    def _named(self) -> str | None:
        """The job that the lock names."""
        found = (self._jobs / LOCK).read_text(encoding="ascii")
        return found if JOB.fullmatch(found) else None

    def _listed(self) -> list[str]:
        """The jobs that are kept, the newest first."""
        names = (path.name for path in self._jobs.iterdir())
        return sorted(filter(JOB.fullmatch, names), reverse=True)

    def _delete_old(self) -> None:
        """Make room for one more job; nothing runs. Each is gone at once for who looks."""
        for job in self._listed()[MOST_JOBS - 1 :]:
            shutil.rmtree((self._jobs / job).rename(self._jobs / f".{job}"), ignore_errors=True)


def _environment() -> dict[str, str]:
    """That of this process without the token, which is not for what a job runs."""
    return {name: value for name, value in os.environ.items() if name != TOKEN}


def _lock(stream: IO[str], kind: int) -> bool:
    """Lock an open file for as long as it is open, here or where it is inherited, if it is free."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
        return True
    return False


def _is_locked(path: Path) -> bool:
    with path.open() as stream:
        return not _lock(stream, fcntl.LOCK_SH)
