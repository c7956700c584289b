"""Who may predict now, who waits, and who is refused.

It stands in the application, not in the server, so that health probes are answered at any load.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from thaw.serving.errors import ApiError, api_error

RETRY_AFTER = "1"  # seconds


class Admission:
    """Slots for requests, and a queue of bounded length and time before them.

    slots: requests at once. queue: requests that wait. max_wait: seconds that each of them waits.
    """

    def __init__(self, slots: int, queue: int, max_wait: float) -> None:
        self._size = slots + queue
        self._slots = BoundedSemaphore(slots)
        self._places = BoundedSemaphore(self._size)
        self._max_wait = max_wait
        self._lock = Lock()
        self.waiting = self.running = 0

    @property
    def is_full(self) -> bool:
        """Whether all slots and the queue are taken."""
        return self.running + self.waiting >= self._size

    @contextmanager
    def slot(self) -> Iterator[float]:
        """Hold a slot; yield the seconds that it took to get it.

        Raises ApiError, at once if the queue is full, and after `max_wait` if no slot was free.
        """
        if not self._places.acquire(blocking=False):
            raise queue_full()
        try:
            started = time.monotonic()
            self._count(waiting=1)
            found = self._slots.acquire(timeout=self._max_wait)
            self._count(waiting=-1)
            if not found:
                raise _busy(f"no slot was free for {self._max_wait:g} s")
            self._count(running=1)
            try:
                yield time.monotonic() - started
            finally:
                self._count(running=-1)
                self._slots.release()
        finally:
            self._places.release()

    def _count(self, waiting: int = 0, running: int = 0) -> None:
        with self._lock:
            self.waiting += waiting
            self.running += running


def queue_full() -> ApiError:
    """The refusal of a request that would have to wait behind a full queue."""
    return _busy("the queue is full")


def _busy(found: str) -> ApiError:
    message = f"a request needs a free slot, but {found}: send it again after {RETRY_AFTER} s"
    return api_error("busy", message, {"Retry-After": RETRY_AFTER})
