"""POST /predict."""

from typing import Any

from flask import Blueprint, request

from thaw.serving.answers import answer, read_explain
from thaw.serving.service import service

routes = Blueprint("predict", __name__)


@routes.post("/predict")
def predict() -> dict[str, Any]:
    """The answer to an image or several."""
    return answer(service(), request, read_explain(request))
