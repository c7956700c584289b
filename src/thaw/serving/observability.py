"""A line for each request, with an id that the client sees, too; nothing personal is in it."""

import json
import logging
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

from thaw.serving.service import service

LOG = logging.getLogger("thaw.serving")
REQUEST_ID = "X-Request-ID"
GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")  # by a proxy
FIELDS = "fields"  # of a log record, beside its message


class JsonLines(logging.Formatter):
    """Log records as JSON, each a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log(event: str, **fields: Any) -> None:
    """Write a line."""
    LOG.info(event, extra={FIELDS: fields})


def observe(app: Flask) -> None:
    """Log and count each request of an application."""
    app.before_request(_begin)
    app.after_request(_end)


def log_defect(error: Exception) -> None:
    """Log an exception that nobody expected, with its traceback."""
    LOG.error("defect", exc_info=error, extra={FIELDS: {"request_id": g.get("request_id")}})


def _begin() -> None:
    g.started = time.perf_counter()
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else None
    code = g.get("code", "")
    service().metrics.request(route, request.method, response.status_code, code, seconds)
    response.headers[REQUEST_ID] = g.request_id
    log(
        "request",
        request_id=g.request_id,
        method=request.method[:16],
        route=route,  # not the path, which may name a person
        status=response.status_code,
        code=code or None,
        ms=round(seconds * 1e3, 3),
        bytes_in=request.content_length or 0,
        bytes_out=response.content_length,
        images=g.get("images"),
        bundle=g.get("bundle"),
    )
    return response
