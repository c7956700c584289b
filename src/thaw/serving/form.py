"""The page with the upload form, which works without JavaScript."""

from typing import Any

from flask import Blueprint, g, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from thaw.serving.answers import answer
from thaw.serving.errors import ApiError, api_error
from thaw.serving.service import service

SHOWN = 5  # classes of an answer, the most probable

routes = Blueprint("form", __name__)


@routes.get("/")
def form() -> str:
    """The form."""
    return _page()


@routes.post("/")
def results() -> tuple[str, int, dict[str, str]]:
    """The form, and the answers to the images that it sent, or why there are none."""
    try:
        if request.mimetype != "multipart/form-data":
            raise api_error("unsupported_media_type", "this page takes its own form: use /predict")
        found = answer(service(), request, explain=True)
    except RequestEntityTooLarge:
        return _failed(api_error("too_large", "the form has too many parts: send fewer images"))
    except ApiError as error:
        return _failed(error)
    return _page(found.get("results") or [found]), 200, {}


def _failed(error: ApiError) -> tuple[str, int, dict[str, str]]:
    g.code = error.code
    message = "choose an image first" if error.code == "wrong_fields" else error.message
    return _page([{"error": {"message": message}}]), error.status, error.headers


def _page(results: list[dict[str, Any]] | None = None) -> str:
    for result in results or []:
        if "error" not in result:
            ranked = sorted(result["probabilities"].items(), key=lambda item: -item[1])
            result["shown"] = ranked[:SHOWN]
    loaded = service().live.current()
    return render_template(
        "form.html",
        results=results or [],
        labels=loaded.predictor.labels,
        max_images=service().settings.max_images,
        max_megabytes=service().settings.max_body // 10**6,
    )
