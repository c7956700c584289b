"""The images in a request: JSON with base64, a multipart form, or the bytes themselves."""

import base64
import json
import re
from typing import Any, NamedTuple

from flask import Request

from thaw.serving.errors import ApiError, api_error

DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
# Commas, colons and brackets of a JSON body, for each image. `[[],[],…` takes 20 times its bytes.
MARKS = 16
TAKEN = "application/json, multipart/form-data, image/* and application/octet-stream"


class Upload(NamedTuple):
    """Images in their order, each as bytes or why it has none. several: answer with a list."""

    images: list[bytes | ApiError]
    several: bool


def read_upload(request: Request, max_images: int) -> Upload:
    """The images of a request. Raises ApiError if it is not one of the three kinds."""
    kind = request.mimetype
    if kind == "application/json":
        upload = _of_json(request.get_data(cache=False), max_images)
    elif kind == "multipart/form-data":
        upload = _of_form(request)
    elif kind == "application/octet-stream" or kind.startswith("image/"):
        return Upload([request.get_data(cache=False)], several=False)
    else:
        message = f"the Content-Type must be one of {TAKEN}: set it to what the body is"
        raise api_error("unsupported_media_type", message)
    if len(upload.images) > max_images:
        message = f"a request may have {max_images} images, but has more: send several requests"
        raise api_error("too_many_images", message)
    return upload


def _of_json(body: bytes, max_images: int) -> Upload:
    """{"image": base64} or {"images": [base64, …]}."""
    content = _parse_json(body, MARKS * (max_images + 1))
    match content:
        case {"image": str(text)} if len(content) == 1:
            return Upload([_from_base64(text)], several=False)
        case {"images": [*texts]} if len(content) == 1 and texts and _are_texts(texts):
            return Upload([_from_base64(text) for text in texts], several=True)
    raise api_error(
        "wrong_fields",
        'the JSON must be {"image": "BASE64"} or {"images": ["BASE64", …]}, with one image or '
        "more: correct it",
    )


def _parse_json(body: bytes, most_marks: int) -> Any:
    if sum(body.count(mark) for mark in b",:[{") > most_marks:
        raise api_error("bad_json", "the JSON must hold images only, but has more values: cut it")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # the parser's message may quote the body
        raise api_error("bad_json", "the body must be JSON in UTF-8, but is not") from None


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _from_base64(text: str) -> bytes | ApiError:
    prefix = DATA_URL.match(text)
    try:
        return base64.b64decode(text[prefix.end() :] if prefix else text, validate=True)
    except ValueError:
        return api_error(
            "bad_base64",
            "an image must be base64 without line breaks, or a data URL with it, but is not: "
            "encode it again",
        )


def _of_form(request: Request) -> Upload:
    """A file `image`, or files `images`; browsers send a part for each input without a file."""
    files = {
        name: [file for file in request.files.getlist(name) if file.filename]
        for name in request.files
    }
    match files:
        case {"image": [file]} if len(files) == 1 and not request.form:
            return Upload([file.read()], several=False)
        case {"images": [*several]} if several and len(files) == 1 and not request.form:
            return Upload([file.read() for file in several], several=True)
    raise api_error(
        "wrong_fields",
        "the form must have one file `image`, or files `images`, with file names, and no other "
        "field: correct it",
    )
