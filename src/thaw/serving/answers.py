"""The answer to the images of a request, as JSON; the page shows the same."""

import time
from typing import Any

from flask import Request, g

from thaw.bundle import format_of
from thaw.errors import ThawError
from thaw.parallel import batched
from thaw.serving.errors import ApiError, api_error, image_error
from thaw.serving.prediction import Prediction
from thaw.serving.predictor import Predictor
from thaw.serving.published import Loaded
from thaw.serving.service import Service
from thaw.serving.uploads import read_upload

FLAGS = {"0": False, "1": True}


def answer(service: Service, request: Request, explain: bool) -> dict[str, Any]:
    """Predict the images of a request, within a slot.

    The answer to one image, or `results`, one entry for each; `bundle` and `timing_ms` are beside
    it. explain: add overlays. Raises ApiError if the request has no images, or its only one has no
    prediction.
    """
    with service.admission.slot() as waited:
        service.metrics.queued(waited)
        loaded = service.live.current()
        upload = read_upload(request, service.settings.max_images)
        started = time.perf_counter()
        found = _predictions(service, loaded.predictor, upload.images)
        results = [
            image_error(one) if isinstance(one, ThawError) else _entry(one, explain)
            for one in found
        ]
        seconds = time.perf_counter() - started
    g.images, g.bundle = len(results), loaded.sha256
    entries = [entry.content if isinstance(entry, ApiError) else entry for entry in results]
    for entry in entries:
        service.metrics.answer(loaded.sha256, entry)
    about = {
        "bundle": bundle_of(loaded),
        "timing_ms": {"queue": round(waited * 1e3, 3), "predict": round(seconds * 1e3, 3)},
    }
    if upload.several:
        return {"results": entries, **about}
    if isinstance(results[0], ApiError):
        raise results[0]
    return {**entries[0], **about}


def bundle_of(loaded: Loaded) -> dict[str, Any]:
    """What a bundle is known by."""
    return {"sha256": loaded.sha256, "format": format_of(loaded.predictor.manifest)}


def read_explain(request: Request) -> bool:
    """The parameter `explain`. Raises ApiError if it is neither 0 nor 1, or if there are others."""
    query = request.args.to_dict(flat=False)
    given = query.pop("explain", ["0"])
    if query or len(given) != 1 or given[0] not in FLAGS:
        message = "the query may have explain=0 or explain=1, and nothing else: correct it"
        raise api_error("wrong_fields", message)
    return FLAGS[given[0]]


def _predictions(
    service: Service, predictor: Predictor, images: list[bytes | ApiError]
) -> list[Prediction | ThawError]:
    """The prediction for each image, or its error.

    A lone image has all cores if no other request runs. Of several, as many are started at once as
    there are slots for other requests, whose images come between.
    """
    match images:
        case [bytes(image)]:
            try:
                return [predictor(image, alone=service.admission.running == 1)]
            except ThawError as error:
                return [error]
    blocks = batched(images, max(1, service.settings.slots - 1))
    return [one for block in blocks for one in predictor.each(block)]


def _entry(prediction: Prediction, explain: bool) -> dict[str, Any]:
    """The numbers are those of the network, digit by digit."""
    entry = {
        "label": prediction.label,
        "probabilities": prediction.probabilities,
        "unknown_score": prediction.unknown_score,
        "abstain": prediction.abstain,
    }
    return entry | {"overlay": prediction.overlay_url()} if explain else entry
