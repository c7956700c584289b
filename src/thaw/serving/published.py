"""The bundle that the API answers with."""

from dataclasses import dataclass
from os import PathLike

import numpy as np

from thaw.bundle import bundle_sha256
from thaw.parallel import cores
from thaw.serving.predictor import Predictor


@dataclass(frozen=True)
class Loaded:
    """A bundle, ready to answer. sha256: of its manifest, see thaw.bundle.bundle_sha256."""

    predictor: Predictor
    sha256: str


class LiveBundle:
    """The bundle at an address: a folder, a zip or an address. Raises ThawError if it is none."""

    def __init__(self, address: str | PathLike[str]) -> None:
        predictor = Predictor(address, cores())
        blank = np.zeros((predictor.image_size, predictor.image_size, 3), np.uint8)
        predictor(blank)  # compiles it, for a lone image and for several
        predictor([blank])
        self._loaded = Loaded(predictor, bundle_sha256(predictor.manifest))

    def current(self) -> Loaded:
        """The bundle of now; a request uses the one that it took to its end."""
        return self._loaded
