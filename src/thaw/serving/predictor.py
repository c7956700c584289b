"""Run a bundle: decode → probabilities, heatmaps, and how strange the image is."""

from collections import deque
from collections.abc import Iterable, Iterator
from copy import copy
from functools import cached_property, partial
from itertools import chain, pairwise
from os import PathLike
from typing import Literal, NamedTuple, overload

import numpy as np
from PIL import Image

from thaw.bundle import MANIFEST, MODEL, read_labels
from thaw.bundle_source import open_bundle
from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.files import read_json
from thaw.images import resized, seen_box
from thaw.parallel import batched
from thaw.runtime import Network, limit_instructions, read_model
from thaw.serving.image_input import ImageInput, rgb_of
from thaw.serving.prediction import Prediction

MAX_MEGAPIXELS = 50.0  # of a bundle that does not say
AHEAD = 32  # images that are started while those before them are answered
VIEW = 640  # pixels a side, at most, of the image below an overlay


class Answer(NamedTuple):
    """The outputs of the network for an image, or for N with one more axis in front; float32."""

    probabilities: np.ndarray  # (C,)
    heatmaps: np.ndarray  # (C, h, w), Grad-CAM, not negative
    unknown_score: np.ndarray  # (), the larger, the stranger; NaN from a bundle without
    embedding: np.ndarray  # (V,); empty from a bundle without


class Predictor:
    """A bundle, checked against its hashes. Call it with images.

    bundle: a folder, a zip or an address; see thaw.bundle_source.open_bundle. labels: class names,
    in the order of the outputs. image_size: width and height, pixels. resize: see
    thaw.images.decode. max_megapixels: of an image; larger ones are refused.
    rule: how probabilities become an answer. unknown_limit: an image with a higher unknown score
    shows none of the classes; infinite if the bundle has no score. manifest: the content of
    manifest.json. requests: how many images run at once, and cores that take part in a lone one;
    the results do not depend on it. Compiled when it is first used. Raises ThawError if the bundle
    is missing or damaged.
    """

    def __init__(self, bundle: str | PathLike[str] = "models/bundle", requests: int = 1):
        with open_bundle(bundle) as folder:
            self.manifest = read_json(folder / MANIFEST)
            self.labels = read_labels(folder)
            self._model = read_model(folder / MODEL)
        self.image_size: int = self.manifest["image_size"]
        self.resize: str = self.manifest.get("resize", "squash")
        self.max_megapixels: float = self.manifest.get("max_megapixels", MAX_MEGAPIXELS)
        self.rule = DecisionRule.of(self.manifest)
        self.unknown_limit: float = self.manifest.get("unknown", {}).get("limit", np.inf)
        self._requests = requests
        self._detail: int | None = None
        limit_instructions(self.manifest.get("max_cpu_isa", "ALL"))

    @cached_property
    def _many(self) -> Network:
        """For many images: one core each."""
        return Network(self._model, self.manifest["precision"], self._requests)

    @cached_property
    def _alone(self) -> Network:
        """For a lone image, with the same digits: several cores for it."""
        return Network(self._model, self.manifest["precision"], threads=self._requests)

    @overload
    def __call__(self, images: ImageInput, alone: bool = ...) -> Prediction: ...

    @overload
    def __call__(self, images: list[ImageInput]) -> list[Prediction]: ...

    def __call__(
        self, images: ImageInput | list[ImageInput], alone: bool = True
    ) -> Prediction | list[Prediction]:
        """The prediction for an image, or those for a list, in its order.

        An image is a path, the bytes of a file, an image of Pillow, or pixels as an array, uint8
        (H, W) grey, (H, W, 3) RGB or (H, W, 4). alone: all cores may take part in a lone image;
        else one, for calls from several threads. Raises ThawError for the first that cannot be
        decoded, an UnusableImage if it alone was given; `each` goes on.
        """
        if not isinstance(images, list):
            network = self._alone if alone else self._many
            return self._interpret(_run(network, self.decode(images)), images)
        found: list[Prediction] = []
        for one in self.each(images):
            if isinstance(one, ThawError):
                raise ThawError(f"image {len(found) + 1} of {len(images)}: {one}") from one
            found.append(one)
        return found

    def each(self, images: Iterable[ImageInput | ThawError]) -> Iterator[Prediction | ThawError]:
        """Yield the prediction for each image, in order, or the error of one without.

        See `predict_each`.
        """
        started: deque[ImageInput | ThawError] = deque()

        def noted() -> Iterator[ImageInput | ThawError]:
            for image in images:
                started.append(image)
                yield image

        for answer in self.predict_each(noted()):
            image = started.popleft()
            if isinstance(image, ThawError):
                yield image
            elif isinstance(answer, ThawError):
                yield answer
            else:
                yield self._interpret(answer, image)

    def decode(self, image: ImageInput) -> np.ndarray:
        """Image → uint8 RGB (S, S, 3), as in training. Raises UnusableImage."""
        whole = rgb_of(image, self.max_megapixels)
        if self._detail is not None:
            whole = Image.fromarray(resized(whole, self._detail, self.resize))
        return resized(whole, self.image_size, self.resize)

    def reduced_to(self, size: int) -> "Predictor":
        """The same bundle, for images that are first reduced to `size` pixels a side.

        Each is resized to (size, size) as the bundle says, and then to its image_size: so much
        remains of it as an input of that size shows. With image_size nothing changes.
        """
        if size == self.image_size:
            return self
        self._many  # noqa: B018, compiled once for both
        reduced = copy(self)
        reduced._detail = size
        return reduced

    def predict(self, images: np.ndarray) -> Answer:
        """Answers to images, uint8 (N, S, S, 3), stacked."""
        run = partial(_run, self._many)
        return Answer(*map(np.stack, zip(*self._many.start(run, images), strict=True)))

    def predict_each(
        self, images: Iterable[ImageInput | ThawError]
    ) -> Iterator[Answer | ThawError]:
        """Yield the answer to each image, in order.

        An image that cannot be decoded gives its error instead, and an error, of an image that
        could not even be read, itself. Images are read and run ahead, at most twice AHEAD; the
        values are those of `decode` and `predict`.
        """
        blocks = batched(images, AHEAD)
        started = (self._many.start(self._decode_and_run, block) for block in blocks)
        for answers, _ in pairwise(chain(started, [()])):
            yield from answers

    def _interpret(self, answer: Answer, image: ImageInput) -> Prediction:
        [chosen], risk = self.rule.decide(answer.probabilities[None])
        score = float(answer.unknown_score)  # NaN is above no limit
        unsure: Literal["unsure"] | None = "unsure" if self.rule.abstains(risk)[0] else None
        return Prediction(
            self.labels[chosen],
            dict(zip(self.labels, answer.probabilities.tolist(), strict=True)),
            None if np.isnan(score) else score,
            "unknown" if score > self.unknown_limit else unsure,
            answer.heatmaps,
            partial(self._view, image),
        )

    def _view(self, image: ImageInput) -> np.ndarray:
        """What the network sees of an image, in its own proportions: uint8 RGB (H, W, 3)."""
        whole = rgb_of(image, self.max_megapixels)
        seen = whole.crop(seen_box(*whole.size, self.resize))
        seen.thumbnail((VIEW, VIEW))
        if self._detail is not None:
            small = Image.fromarray(resized(seen, self._detail, "squash"))
            seen = small.resize(seen.size, Image.Resampling.BILINEAR)
        return np.asarray(seen)

    def _decode_and_run(self, image: ImageInput | ThawError) -> Answer | ThawError:
        if isinstance(image, ThawError):
            return image
        try:
            return _run(self._many, self.decode(image))
        except ThawError as error:
            return error


def _run(network: Network, image: np.ndarray) -> Answer:
    """The answer to one image, uint8 (S, S, 3)."""
    found = {output.any_name: array[0] for output, array in network.infer(image).items()}
    return Answer(
        found["probabilities"],
        found["heatmaps"],
        found.get("unknown_score", np.float32(np.nan)),
        found.get("embedding", np.empty(0, np.float32)),
    )
