"""Routes that start, show and cancel training jobs; for the holder of the token only.

There is no GET /train: a link, or whatever fetches links, must not start a training.
"""

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, url_for

from thaw.serving.jobs import Jobs
from thaw.serving.token_routes import json_object, token_blueprint

TRAINING_PAGE = "training_page"
NO_STORE = {"Cache-Control": "no-store"}


def training_blueprint(jobs: Jobs, token: str) -> Blueprint:
    """POST /train, GET /jobs, GET and DELETE /jobs/ID.

    Errors are ApiErrors, which the application turns into JSON. It must not answer these routes
    with headers of CORS.
    """
    blueprint = token_blueprint("training", token)

    @blueprint.post("/train")
    def train() -> tuple[Response, int, dict[str, str]]:
        asked = json_object({"params": dict, "sweep": dict})
        state = jobs.start(asked.get("params", {}), asked.get("sweep"))
        address = url_for("training.show", job=state["id"])
        return jsonify(state), 202, NO_STORE | {"Location": address}

    @blueprint.get("/jobs")
    def show_all() -> tuple[Response, dict[str, str]]:
        return jsonify({"jobs": jobs.latest()}), NO_STORE

    @blueprint.get("/jobs/<job>")
    def show(job: str) -> tuple[Response, dict[str, str]]:
        return _answer(jobs.get(job))

    @blueprint.delete("/jobs/<job>")
    def cancel(job: str) -> tuple[Response, dict[str, str]]:
        return _answer(jobs.cancel(job))

    return blueprint


def training_page() -> Blueprint:
    """GET /training: a page that uses those routes, with the token that is typed into it."""
    blueprint = Blueprint(TRAINING_PAGE, __name__)

    @blueprint.get("/training")
    def page() -> str:
        return render_template("training.html")

    return blueprint


def _answer(state: dict[str, Any]) -> tuple[Response, dict[str, str]]:
    return jsonify(state), NO_STORE
