"""Keep TensorFlow's start-up information out of the log."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import IO, cast

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # 0: everything, 3: fatal errors only
# While they load, TensorFlow's libraries have not read LEVEL: they print lines of level I, and
# before the first a notice of absl, which writes the log.
INFORMATION = "^I[0-9]{4} |^WARNING: All log messages before absl::InitializeLog"


@contextmanager
def quiet_import() -> Iterator[None]:
    """Import TensorFlow inside the block, without its lines of information on stderr.

    All other lines pass, even if the import aborts, because another process filters them. With
    TF_CPP_MIN_LOG_LEVEL=0 in the environment everything passes; if it is not set, it becomes 3.
    """
    if os.environ.setdefault(LEVEL, "3") == "0":
        yield
        return
    stderr = os.dup(2)
    with Popen(["grep", "-aEv", INFORMATION], stdin=PIPE, stdout=stderr) as grep:
        try:
            os.dup2(cast(IO[bytes], grep.stdin).fileno(), 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
