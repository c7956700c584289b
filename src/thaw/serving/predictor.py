"""Run a bundle: decode → probabilities, heatmaps, and how strange the image is."""

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from os import PathLike
from typing import NamedTuple

import numpy as np

from thaw.bundle import MANIFEST, MODEL, read_labels
from thaw.bundle_source import open_bundle
from thaw.decision import DecisionRule
from thaw.files import read_json
from thaw.image_limits import UnusableImage
from thaw.images import decode
from thaw.parallel import batched
from thaw.runtime import Network

MAX_MEGAPIXELS = 50.0  # of a bundle that does not say
AHEAD = 32  # images that are started while those before them are answered


class Answer(NamedTuple):
    """What a bundle says of an image, or of N images, with one more axis in front; float32."""

    probabilities: np.ndarray  # (C,)
    heatmaps: np.ndarray  # (C, h, w), Grad-CAM, not negative
    unknown_score: np.ndarray  # (), the larger, the stranger; NaN from a bundle without
    embedding: np.ndarray  # (V,); empty from a bundle without


class Predictor:
    """A bundle, checked against its hashes and compiled once.

    bundle: a folder, a zip or an address; see thaw.bundle_source.open_bundle. labels: class names,
    in the order of the outputs. image_size: width and height, pixels. resize: see
    thaw.images.decode. max_megapixels: of an image; larger ones are refused.
    rule: how probabilities become an answer. unknown_limit: an image with a higher unknown score
    shows none of the classes; infinite if the bundle has no score. manifest: the content of
    manifest.json. requests: how many images run at once; the results do not depend on it. Raises
    ThawError if the bundle is missing or damaged.
    """

    def __init__(self, bundle: str | PathLike[str] = "models/bundle", requests: int = 1):
        with open_bundle(bundle) as folder:
            self.manifest = read_json(folder / MANIFEST)
            self.labels = read_labels(folder)
            self._network = Network(folder / MODEL, self.manifest["precision"], requests)
        self.image_size: int = self.manifest["image_size"]
        self.resize: str = self.manifest.get("resize", "squash")
        self.max_megapixels: float = self.manifest.get("max_megapixels", MAX_MEGAPIXELS)
        self.rule = DecisionRule.of(self.manifest)
        self.unknown_limit: float = self.manifest.get("unknown", {}).get("limit", np.inf)

    def decode(self, data: bytes) -> np.ndarray:
        """Encoded image → uint8 RGB (S, S, 3), decoded as in training. Raises UnusableImage."""
        return decode(data, self.image_size, self.resize, self.max_megapixels)

    def predict(self, images: np.ndarray) -> Answer:
        """Answers to images, uint8 (N, S, S, 3), stacked."""
        return Answer(*map(np.stack, zip(*self._network.start(self._run, images), strict=True)))

    def predict_each(self, encoded: Iterable[bytes]) -> Iterator[Answer | UnusableImage]:
        """Yield the answer to each encoded image, in order.

        An image that cannot be decoded gives its error instead. Images are read and run ahead, at
        most twice AHEAD; the values are those of `decode` and `predict`.
        """
        blocks = batched(encoded, AHEAD)
        started = (self._network.start(self._decode_and_run, block) for block in blocks)
        for answers, _ in pairwise(chain(started, [()])):
            yield from answers

    def _run(self, image: np.ndarray) -> Answer:
        found = {output.any_name: array[0] for output, array in self._network.infer(image).items()}
        return Answer(
            found["probabilities"],
            found["heatmaps"],
            found.get("unknown_score", np.float32(np.nan)),
            found.get("embedding", np.empty(0, np.float32)),
        )

    def _decode_and_run(self, data: bytes) -> Answer | UnusableImage:
        try:
            return self._run(self.decode(data))
        except UnusableImage as error:
            return error
