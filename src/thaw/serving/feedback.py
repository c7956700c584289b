"""POST /feedback: the right label of an image, into a table that data.relabel takes.

A row names its image by its hash, `sha256:…`: the server knows no other name of an uploaded image.
thaw.data.relabel finds the files with that content, and leaves out images that the data has not.
"""

import base64
import binascii
import csv
import fcntl
import hashlib
import io
import os
import re
from pathlib import Path
from typing import Any

from flask import Blueprint

from thaw.files import atomic_write
from thaw.image_formats import image_format
from thaw.image_limits import UnusableImage
from thaw.images import read_rgb
from thaw.serving.errors import ApiError, api_error, image_error
from thaw.serving.published import LiveBundle
from thaw.serving.token_routes import json_object, token_blueprint

SHA256 = re.compile("[0-9a-f]{64}")
HEADER = b"name,label\n"
MOST_BYTES = 100_000_000  # of the table: about a million rows
MOST_ROW_BYTES = 65_536
MOST_IMAGES = 100_000  # that are kept
FIELDS = {"sha256": str, "label": str, "image": str}


def feedback_blueprint(
    live: LiveBundle, token: str, table: Path, images: Path | None = None
) -> Blueprint:
    """POST /feedback with JSON: `sha256` of the image file, `label`, and `image`, base64.

    live: has the classes. table: the CSV to which a row is added. images: a folder for the images,
    a folder for each class, which data.source takes; None: `image` is not looked at and not kept.
    """
    blueprint = token_blueprint("feedback", token)

    @blueprint.post("/feedback")
    def feedback() -> tuple[dict[str, Any], int]:
        given = json_object(FIELDS)
        sha256, label = given.get("sha256", ""), given.get("label", "")
        classes = live.current().predictor.labels
        if not SHA256.fullmatch(sha256):
            rule = "sha256 must be the SHA-256 of the image file, 64 digits of 0-9 and a-f"
            raise api_error("wrong_fields", rule)
        if label not in classes:
            raise api_error("wrong_fields", "label must be a class of the bundle: GET /model")
        kept = images is not None and "image" in given
        if images is not None and kept:
            limit = live.current().predictor.max_megapixels
            _keep(images / label, sha256, given["image"], limit)
        append(table, sha256, label)
        return {"sha256": sha256, "label": label, "image_kept": kept}, 201

    return blueprint


def append(table: Path, sha256: str, label: str) -> None:
    """Add a row, whole or not at all; what a crash cut off before is removed."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([f"sha256:{sha256}", label])
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        end = stream.seek(0, os.SEEK_END)
        if end > MOST_BYTES:
            raise _full()
        stream.seek(max(0, end - MOST_ROW_BYTES))
        last = stream.read()
        stream.truncate(end - len(last) + last.rfind(b"\n") + 1)
        stream.write((b"" if b"\n" in last else HEADER) + line.getvalue().encode())
        stream.flush()
        os.fsync(stream.fileno())


def _keep(folder: Path, sha256: str, encoded: str, max_megapixels: float) -> None:
    """Store an image that is what its hash says and can be decoded; one of another label moves."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise api_error("bad_base64", "image must be base64, but is not") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise api_error("wrong_hash", "sha256 must be that of image, but is not")
    try:
        read_rgb(data, max_megapixels)
    except UnusableImage as error:
        raise image_error(error) from None
    path = folder / f"{sha256}.{(image_format(data) or '').lower()}"
    for other in folder.parent.glob(f"*/{path.name}"):  # in two folders it would have two labels
        folder.mkdir(exist_ok=True)
        other.replace(path)
        return
    if sum(1 for _ in folder.parent.glob("*/*")) >= MOST_IMAGES:
        raise _full()
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _full() -> ApiError:
    return api_error("feedback_full", "no more feedback is kept: tell who runs this server")
