"""Refuse a prediction before Flask sees it, if the queue is full.

At twice the load every second request is refused, and what that costs is lost to the others.
"""

import json
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from thaw.serving.admission import queue_full
from thaw.serving.observability import REQUEST_ID, record, request_id
from thaw.serving.security import SECURITY_HEADERS
from thaw.serving.service import NAME, Service

ROUTE, METHOD = "/predict", "POST"


def shed_load(app: Flask) -> None:
    """Let the application refuse predictions early; those of foreign pages need Flask's headers."""
    service: Service = app.extensions[NAME]
    answer = app.wsgi_app

    def answer_or_refuse(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        asked = (environ.get("PATH_INFO"), environ["REQUEST_METHOD"]) == (ROUTE, METHOD)
        if asked and service.admission.is_full and "HTTP_ORIGIN" not in environ:
            return [_refuse(service, environ, start_response)]
        return answer(environ, start_response)

    app.wsgi_app = answer_or_refuse  # type: ignore[method-assign]  # as Flask documents it


def _refuse(service: Service, environ: WSGIEnvironment, start: StartResponse) -> bytes:
    started = time.perf_counter()
    error, number = queue_full(), request_id(environ.get("HTTP_X_REQUEST_ID", ""))
    body = json.dumps(error.content).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        REQUEST_ID: number,
        **error.headers,
        **SECURITY_HEADERS,
    }
    start(f"{error.status} Service Unavailable", list(headers.items()))
    record(
        service,
        started,
        request_id=number,
        method=METHOD,
        route=ROUTE,
        status=error.status,
        code=error.code,
        bytes_in=int(environ.get("CONTENT_LENGTH") or 0),
        bytes_out=len(body),
    )
    return body
