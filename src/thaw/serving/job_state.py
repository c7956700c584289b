"""What a job keeps in its folder: what was asked, where it is, its log and its bundle.

The server writes the state before the job's process starts and after it has ended; in between,
that process does. So there is one writer at a time, and each file is replaced at once.
"""

import re
from pathlib import Path
from typing import Any

from thaw.files import read_json, write_json

STATE, LOG, BUNDLE, COPY = "state.json", "log", "bundle", "copy"
LOCK = "lock"  # beside the folders of the jobs; locked as long as anything of a job lives
PROCESS = "process"  # locked by the job's process for as long as it lives
CANCELLED_MARK = "cancelled"
QUEUED, RUNNING = "queued", "running"
FAILED, CANCELLED, LOST = "failed", "cancelled", "lost"
SUCCEEDED = "succeeded"  # a sweep; or a whole bundle, which the gate does not let through
BY_HAND, PUBLISHED = "by hand only", "published"
ENDED = (FAILED, CANCELLED, LOST, SUCCEEDED, BY_HAND, PUBLISHED)

MOST_LOG_BYTES = 64_000  # that are read from the end of a log
MOST_LOG_LINES = 100


def read_state(folder: Path) -> dict[str, Any]:
    """The state of a job. Raises ThawError if there is none."""
    return read_json(folder / STATE, ["state"])


def update_state(folder: Path, **changes: Any) -> dict[str, Any]:
    """Change keys of the state; what it is then."""
    known = read_state(folder) if (folder / STATE).exists() else {}
    write_json(folder / STATE, known | changes)
    return known | changes


def log_tail(folder: Path) -> list[str]:
    """The last lines of a log; of a progress bar, what it showed last."""
    try:
        with (folder / LOG).open("rb") as stream:
            start = max(0, stream.seek(0, 2) - MOST_LOG_BYTES)
            stream.seek(start)
            text = stream.read(MOST_LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return []
    lines = text.split("\n")[1 if start else 0 :]
    shown = [re.split(r"\r(?=.)", line.rstrip())[-1] for line in lines]
    return [line for line in shown if line][-MOST_LOG_LINES:]
