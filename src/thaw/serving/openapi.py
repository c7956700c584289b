"""The description of the API, in OpenAPI 3.1."""

import re
from importlib.metadata import version
from typing import Any

from flask import Flask

from thaw.serving.errors import CODES
from thaw.serving.settings import ServeSettings

JSON, HTML, FORM = "application/json", "text/html", "multipart/form-data"
Schema = dict[str, Any]


def description(app: Flask, settings: ServeSettings) -> Schema:
    """That of the paths for which the application has routes."""
    rules = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    paths = {**_state_paths(), **_predict_paths(settings), **_token_paths()}
    codes = "\n".join(f"- `{code}` ({status}): {text}" for code, (status, text) in CODES.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Thaw",
            "version": version("thaw"),
            "description": f"Classify images. Errors have one of these codes:\n\n{codes}",
        },
        "paths": {path: methods for path, methods in paths.items() if path in rules},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _state_paths() -> Schema:
    status = {"type": "object", "properties": {"status": {"type": "string"}}}
    return {
        "/": {
            "get": _operation("form", "The upload form.", {HTML: {}}),
            "post": _operation(
                "formResults",
                "The form with the answers to the images that it sent; errors are a page, too.",
                {HTML: {}},
                (400, 413, 415, 422, 503),
                requestBody=_body({FORM: _files("images", several=True)}),
                error_type=HTML,
            ),
        },
        "/health/live": {"get": _operation("live", "The process answers.", {JSON: status})},
        "/health/ready": {
            "get": _operation("ready", "Requests are welcome.", {JSON: status}, (503,))
        },
        "/metrics": {"get": _operation("metrics", "Counters for Prometheus.", {"text/plain": {}})},
        "/model": {"get": _operation("model", "What the bundle is.", {JSON: _ref("Model")})},
        "/openapi.json": {
            "get": _operation("openapi", "This description.", {JSON: {"type": "object"}})
        },
        "/docs": {"get": _operation("docs", "This description as a page.", {HTML: {}})},
    }


def _predict_paths(settings: ServeSettings) -> Schema:
    image = {"type": "string", "description": "Base64 without line breaks, or a data URL with it."}
    several = {"type": "array", "items": image, "minItems": 1, "maxItems": settings.max_images}
    raw = {"type": "string", "format": "binary"}
    content: dict[str, Schema] = {
        JSON: {"oneOf": [_object({"image": image}), _object({"images": several})]},
        FORM: {"oneOf": [_files("image", several=False), _files("images", several=True)]},
        **{kind: raw for kind in ("image/jpeg", "image/png", "application/octet-stream")},
    }
    explain = {
        "name": "explain",
        "in": "query",
        "description": "1: add `overlay`, what speaks for the label, as a PNG in a data URL.",
        "schema": {"type": "string", "enum": ["0", "1"]},
    }
    summary = "The answer to an image, or to several in order; a bad one has its own error."
    about = {"type": "object", "oneOf": [_ref("Answer"), _ref("Answers")]}
    codes = (400, 408, 413, 415, 422, 503)
    post = _operation("predict", summary, {JSON: about}, codes, requestBody=_body(content))
    return {"/predict": {"post": {**post, "parameters": [explain]}}}


def _token_paths() -> Schema:
    """Those for the holder of the token."""
    text, state = {"type": "string"}, {JSON: _ref("Job")}
    token: Schema = {"security": [{"token": []}]}
    job: Schema = {"name": "job", "in": "path", "required": True, "schema": text}
    job["description"] = "Its id, see GET /jobs."
    named: Schema = {"parameters": [job], **token}
    jobs = _object({"jobs": {"type": "array", "items": _ref("Job")}})
    listed = _operation("jobs", "Jobs, the newest first.", {JSON: jobs}, (401,), **token)
    train = _operation(
        "train",
        "Start a training, or a sweep; Location is the job's path.",
        state,
        (400, 401, 409, 413, 415),
        requestBody=_body({JSON: _ref("JobRequest")}),
        **token,
    )
    feedback = _operation(
        "feedback",
        "The right label of an image, which is known by the SHA-256 of its file.",
        {JSON: _object({"sha256": text, "label": text, "image_kept": {"type": "boolean"}})},
        (400, 401, 413, 415, 422, 507),
        requestBody=_body({JSON: _object({"sha256": text, "label": text}, {"image": text})}),
        **token,
    )
    return {
        "/train": {"post": _answers_with("202", train)},
        "/jobs": {"get": listed},
        "/jobs/{job}": {
            "get": _operation("job", "State, progress and log.", state, (401, 404), **named),
            "delete": _operation("cancel", "End a job.", state, (401, 404), **named),
        },
        "/training": {"get": _operation("training", "A page for that.", {HTML: {}})},
        "/feedback": {"post": _answers_with("201", feedback)},
    }


def _answers_with(status: str, operation: Schema) -> Schema:
    """The operation with another status than 200."""
    ok, others = operation["responses"]["200"], dict(operation["responses"])
    del others["200"]
    return {**operation, "responses": {status: ok, **others}}


def _operation(
    name: str,
    summary: str,
    content: dict[str, Schema],
    errors: tuple[int, ...] = (),
    error_type: str = JSON,
    **more: Any,
) -> Schema:
    """An operation. content: of 200, by media type. errors: statuses, all of one media type."""
    schema = _ref("Error") if error_type == JSON else {}
    responses = {"200": {"description": "OK", "content": _content(content)}}
    for status in errors:
        named = ", ".join(f"`{code}`" for code, (of, _) in CODES.items() if of == status)
        responses[str(status)] = {
            "description": f"One of {named}",
            "content": _content({error_type: schema}),
        }
    if 503 in errors:
        retry = {"description": "Seconds.", "schema": {"type": "string"}}
        responses["503"]["headers"] = {"Retry-After": retry}
    return {"operationId": name, "summary": summary, "responses": responses, **more}


def _schemas() -> Schema:
    number, text = {"type": "number"}, {"type": "string"}
    bundle = _object({"sha256": text, "format": {"type": "integer"}})
    timing = _object({"queue": number, "predict": number})
    about = {"bundle": bundle, "timing_ms": timing}
    entry = {
        "label": text,
        "probabilities": {"type": "object", "additionalProperties": number},
        "unknown_score": {"type": ["number", "null"]},
        "abstain": {"enum": ["unknown", "unsure", None]},
    }
    overlay = {"overlay": text}
    error = _object({"error": _object({"code": {"enum": list(CODES)}, "message": text})})
    results = {"type": "array", "items": {"oneOf": [_object(entry, overlay), error]}}
    model = _object({**bundle["properties"], "labels": {"type": "array", "items": text}})
    return {
        "Answer": _object({**entry, **about}, overlay),
        "Answers": _object({"results": results, **about}),
        "Error": error,
        "Job": {"type": "object", "required": ["id", "state"]},
        "JobRequest": _job_request(),
        "Model": {**model, "additionalProperties": True},
    }


def _job_request() -> Schema:
    values: Schema = {"type": "array", "items": {}, "minItems": 1}
    params = {"type": "object", "description": "Instead of those of params.yaml."}
    sweep = {
        "type": "object",
        "additionalProperties": values,
        "description": "Values of params: every combination becomes an experiment, as `thaw sweep` "
        "runs it, and nothing is published.",
    }
    return _object({}, {"params": params, "sweep": sweep})


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _files(name: str, several: bool) -> Schema:
    file = {"type": "string", "format": "binary"}
    return _object({name: {"type": "array", "items": file, "minItems": 1} if several else file})


def _body(content: dict[str, Schema]) -> Schema:
    return {"required": True, "content": _content(content)}


def _content(schemas: dict[str, Schema]) -> Schema:
    return {kind: {"schema": schema} for kind, schema in schemas.items()}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
