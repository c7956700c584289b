"""Map a function over shards of items, in this process or in several, in order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import TypeVar, cast

from thaw.errors import ThawError

T = TypeVar("T")
R = TypeVar("R")

BATCH_BYTES = 2**26  # hundreds of large photographs at once would fill the memory


def cores() -> int:
    """Number of cores that this process may use, by its affinity and its container's limits."""
    # Imported here, because every stage imports this module, and joblib takes 40 ms of each.
    from joblib import cpu_count

    return cpu_count()


def map_shards(
    work: Callable[[list[T]], list[R]],
    items: Iterable[T],
    size: int,
    workers: int,
    bytes_of: Callable[[T], int] = lambda item: 0,
) -> Iterator[R]:
    """Yield what `work` returns for each shard of items, in the order of the items.

    `work` must be a pure, picklable function; the result is the same for any number of workers.
    One worker runs in this process. Items are read only a few shards ahead, which bounds memory.
    size, bytes_of: of a shard; see `batched`.
    Raises ThawError if a worker is killed.
    """
    if workers == 1:
        for shard in batched(items, size, bytes_of):
            yield from work(shard)
        return
    # A fork of a process with threads, which progress bars have, may deadlock. The fork server
    # has none, and imports the program once for all workers.
    context = get_context("forkserver")
    with (
        _killed_explained(workers),
        ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool,
    ):
        pending: deque[Future[Iterable[R]]] = deque()
        for shard in batched(items, size, bytes_of):
            pending.append(pool.submit(work, shard))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


@contextmanager
def _killed_explained(workers: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise ThawError(
            f"all {workers} processes that share the work must have enough memory, but one was "
            "killed: free memory, or set LOKY_MAX_CPU_COUNT in the environment to fewer"
        ) from None


def _end_with_parent() -> None:
    """End this worker with the program; a worker of a killed one would wait for work for ever."""

    def watch() -> None:
        cast(BaseProcess, parent_process()).join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def batched(
    rows: Iterable[T], size: int, bytes_of: Callable[[T], int] = lambda row: 0
) -> Iterator[list[T]]:
    """Yield consecutive lists of `size` rows, or of fewer that together have BATCH_BYTES.

    The last may be shorter.
    """
    batch: list[T] = []
    total = 0
    for row in rows:
        batch.append(row)
        total += bytes_of(row)
        if len(batch) == size or total >= BATCH_BYTES:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
