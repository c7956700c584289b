"""How the server does, and what it serves: health, metrics, model, description."""

from typing import Any

from flask import Blueprint, Response, current_app, render_template
from prometheus_client import CONTENT_TYPE_LATEST

from thaw.serving.answers import bundle_of
from thaw.serving.errors import CODES, api_error
from thaw.serving.openapi import description
from thaw.serving.service import service

# Of the manifest; what it was trained with, and where, is not for everyone.
PUBLIC = ("base", "image_size", "resize", "precision", "decision", "unknown")

routes = Blueprint("state", __name__)


@routes.get("/health/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@routes.get("/health/ready")
def ready() -> dict[str, str]:
    """Requests are welcome."""
    if service().stopping.is_set():
        raise api_error("stopping", "the server is stopping: use another")
    service().live.current()
    return {"status": "ready"}


@routes.get("/metrics")
def metrics() -> Response:
    """Counters in the text format of Prometheus."""
    return Response(service().metrics.text(), content_type=CONTENT_TYPE_LATEST)


@routes.get("/model")
def model() -> dict[str, Any]:
    """What the bundle is, as far as its clients need it."""
    loaded = service().live.current()
    manifest = loaded.predictor.manifest
    return {
        **bundle_of(loaded),
        "labels": loaded.predictor.labels,
        "max_megapixels": loaded.predictor.max_megapixels,
        **{key: manifest[key] for key in PUBLIC if key in manifest},
    }


@routes.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """The description of what this application answers."""
    return description(current_app, service().settings)


@routes.get("/docs")
def docs() -> str:
    """The description as a page."""
    about = description(current_app, service().settings)
    return render_template("docs.html", about=about, codes=CODES)
