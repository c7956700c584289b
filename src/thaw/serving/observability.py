"""A line for each request, with an id that the client sees, too; nothing personal is in it."""

import json
import logging
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

from thaw.serving.service import Service, service

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


def request_id(given: str) -> str:
    """The id of a request: the one that a proxy gave, if it is one, or a new one."""
    return given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex


def record(service: Service, started: float, **fields: Any) -> None:
    """Count and log a request that has been answered.

    started: by `time.perf_counter`. fields: of the log's line; route, method, status and code are
    counted.
    """
    seconds = time.perf_counter() - started
    counted = {key: fields[key] for key in ("route", "method", "status", "code")}
    service.metrics.request(seconds=seconds, **counted)
    log("request", ms=round(seconds * 1e3, 3), **fields)


def _begin() -> None:
    g.started = time.perf_counter()
    g.request_id = request_id(request.headers.get(REQUEST_ID, ""))


def _end(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    record(
        service(),
        g.started,
        request_id=g.request_id,
        method=request.method[:16],
        route=request.url_rule.rule if request.url_rule else None,  # the path may name a person
        status=response.status_code,
        code=g.get("code"),
        bytes_in=request.content_length or 0,
        bytes_out=response.content_length,
        images=g.get("images"),
        bundle=g.get("bundle"),
    )
    return response
