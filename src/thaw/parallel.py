"""Work over consecutive shards of items, here or in a pool of processes, with results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

import joblib

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Processor cores this process may use, by its affinity and its container's limits."""
    return joblib.cpu_count()


def map_shards(
    work: Callable[[list[T]], list[R]], items: Iterable[T], size: int, workers: int
) -> Iterator[R]:
    """Yield what `work` returns for each shard of `size` items, in the order of the items.

    `work` must be a pure function that pickles, so that the result is the same for any number of
    workers; one worker runs in this process. Items are read only a few shards ahead of what was
    yielded, which bounds memory.
    """
    if workers == 1:
        for shard in batched(items, size):
            yield from work(shard)
        return
    # Spawned, not forked: a fork of a process with threads (progress bars have one) may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[Iterable[R]]] = deque()
        for shard in batched(items, size):
            waiting.append(pool.submit(work, shard))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive lists of `size` rows; the last may be shorter."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
