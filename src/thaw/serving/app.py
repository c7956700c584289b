"""The API as a Flask application: prediction over HTTP, a form, and how it does."""

from collections.abc import Iterable

from flask import Blueprint, Flask, Response, g, jsonify
from werkzeug.exceptions import HTTPException

from thaw.serving import form, predict_routes, state_routes
from thaw.serving.admission import Admission
from thaw.serving.errors import CODES, ApiError, api_error
from thaw.serving.load_shedding import shed_load
from thaw.serving.metrics import Metrics
from thaw.serving.observability import log_defect, observe
from thaw.serving.published import LiveBundle
from thaw.serving.security import secure
from thaw.serving.service import NAME, Service
from thaw.serving.settings import ServeSettings
from thaw.serving.training_routes import TRAINING_PAGE

FORM_MEMORY = 100_000  # bytes of form fields that are no files
MESSAGES = {
    "not_found": "there is nothing at this path: see /docs",
    "method_not_allowed": "this path has other methods: see the header Allow",
    "too_large": "the body is too large, or has too many parts: send less",
}


def create_app(
    live: LiveBundle, settings: ServeSettings, extend: Iterable[Blueprint] = ()
) -> Flask:
    """The application. live: the bundle that answers. extend: further routes.

    Errors as JSON, limits, headers and the access log are those of all routes.
    """
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # classes in the bundle's order
    app.url_map.merge_slashes = False  # no redirects
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body,
        MAX_FORM_MEMORY_SIZE=FORM_MEMORY,
        MAX_FORM_PARTS=settings.max_images + 2,
    )
    admission = Admission(settings.slots, settings.queue, settings.max_wait)
    app.extensions[NAME] = Service(live, settings, admission, Metrics(admission))
    observe(app)
    secure(app, settings)
    for routes in (form.routes, predict_routes.routes, state_routes.routes, *extend):
        app.register_blueprint(routes)
    app.jinja_env.globals["has_training"] = TRAINING_PAGE in app.blueprints
    app.register_error_handler(ApiError, _answer_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_defect)
    shed_load(app)
    return app


def _answer_error(error: ApiError) -> Response:
    g.code = error.code
    response = jsonify(error.content)
    response.status_code = error.status
    response.headers.extend(error.headers)
    return response


def _answer_http_error(error: HTTPException) -> Response:
    """An error of Flask: its status with our code; the message has nothing of the request."""
    status = error.code or 500
    code = next((code for code in MESSAGES if CODES[code][0] == status), "bad_request")
    message = MESSAGES.get(code, "the request cannot be answered: see /docs")
    allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
    return _answer_error(ApiError(status, code, message, allowed))


def _answer_defect(error: Exception) -> Response:
    log_defect(error)
    return _answer_error(
        api_error("internal_error", "the server has a defect here; its log has the request's id")
    )
