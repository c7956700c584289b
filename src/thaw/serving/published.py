"""The bundle that the API answers with, swapped for a newer one without losing a request."""

import logging
import time
import weakref
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from threading import Thread

from thaw.bundle import bundle_sha256
from thaw.errors import ThawError
from thaw.parallel import cores
from thaw.serving.predictor import Predictor
from thaw.serving.publish import POINTER, published, warm_up

PAUSE = 0.5  # seconds between two looks at the pointer

log = logging.getLogger("thaw")


@dataclass(frozen=True)
class Loaded:
    """A bundle, ready to answer. sha256: of its manifest, see thaw.bundle.bundle_sha256."""

    predictor: Predictor
    sha256: str


class LiveBundle:
    """The bundle that is published in a folder, or else that at an address.

    address: a folder, a zip or an address, for as long as nothing is published. published: see
    thaw.serving.publish; None: always the one at the address. What is published later is loaded,
    checked and warmed up beside the one that answers, and then replaces it; what fails in that is
    logged once, and the one that answers stays. Raises ThawError if nothing can be loaded.
    """

    def __init__(self, address: str | PathLike[str], published: Path | None = None) -> None:
        self._folder = published
        self._tried = _pointer(published)
        self._loaded = self._first(address)
        if published is not None:
            Thread(target=_follow, args=(weakref.ref(self),), daemon=True).start()

    def current(self) -> Loaded:
        """The bundle of now; a request uses the one that it took to its end."""
        return self._loaded

    def _first(self, address: str | PathLike[str]) -> Loaded:
        """The published bundle; if it is damaged that before, and if that is too, the address's."""
        folder = self._folder
        for path in [folder / sha256 for sha256 in published(folder)] if folder else []:
            try:
                return _load(path)
            except ThawError as error:
                log.error("a published bundle cannot be served: %s", error)
        return _load(address)

    def look(self) -> None:
        """Take up what is published, if that has changed."""
        pointer = _pointer(self._folder)
        if self._folder is None or pointer == self._tried:
            return
        self._tried = pointer
        [sha256, *_] = published(self._folder) or [self._loaded.sha256]
        if sha256 == self._loaded.sha256:
            return
        try:
            loaded = _load(self._folder / sha256)
        except ThawError as error:
            log.error("bundle %s stays, the published one is refused: %s", self._known, error)
            return
        before, self._loaded = self._known, loaded
        log.info("bundle %s is replaced by %s", before, self._known)

    @property
    def _known(self) -> str:
        """The bundle of now, as the log names it."""
        return self._loaded.sha256[:12]


def _follow(live: "weakref.ref[LiveBundle]") -> None:
    """Look again and again, for as long as somebody holds the LiveBundle."""
    while (followed := live()) is not None:
        try:
            followed.look()
        except Exception:  # such as too little memory; this thread must live on
            log.exception("the published bundle cannot be taken up")
        del followed
        time.sleep(PAUSE)


def _pointer(folder: Path | None) -> tuple[int, int] | None:
    """What changes whenever something is published."""
    try:
        found = (folder / POINTER).stat() if folder else None
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns) if found else None


def _load(address: str | PathLike[str]) -> Loaded:
    predictor = Predictor(address, cores())
    warm_up(predictor)
    return Loaded(predictor, bundle_sha256(predictor.manifest))
