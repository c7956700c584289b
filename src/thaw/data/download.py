"""Fetch a file over HTTP, or any protocol that fsspec knows, with progress and resumption."""

import hashlib
import logging
import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
import requests
from fsspec.callbacks import TqdmCallback
from tqdm import tqdm

from thaw.errors import ThawError
from thaw.files import atomic_write

log = logging.getLogger("thaw")

TRIES = 5  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the second try; doubles with each
TIMEOUT = (10, 60)  # seconds to connect, and between two reads
PIECE = 2**14  # bytes; at most so many are lost when a transfer breaks off
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses that may pass


class Interrupted(Exception):
    """The transfer broke off in a way that another try may mend."""


def download(url: str, folder: Path) -> Path:
    """Fetch `url` into `folder` and return the file; one that is already there whole is kept.

    An HTTP transfer that breaks off is continued, in this run or the next, when the server
    says that the file is still the same. Raises ThawError when it cannot be had.
    """
    basename = Path(unquote(urlsplit(url).path)).name or "download"
    target = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{basename}"
    if target.exists():
        log.info("using the earlier download %s; delete it to fetch it anew", target)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    if url.startswith(("http://", "https://")):
        _fetch_http(url, target)
    else:
        _fetch_other(url, target)
    return target


def _fetch_other(url: str, target: Path) -> None:
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        bar = TqdmCallback(tqdm_kwargs={"unit": "B", "unit_scale": True, "disable": None})
        with atomic_write(target) as temporary:
            filesystem.get_file(path, str(temporary), callback=bar)
    except (ImportError, ValueError) as problem:  # no such protocol, or its package is missing
        raise ThawError(f"data.source {url} cannot be read: {problem}") from None
    except FileNotFoundError:
        raise ThawError(f"data.source {url} does not exist: check its address") from None


def _fetch_http(url: str, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    tag = target.with_name(f"{target.name}.tag")
    failures = 0
    while True:
        before = _size(part)
        try:
            _transfer(url, part, tag)
            break
        except (requests.RequestException, Interrupted) as problem:
            failures = 1 if _size(part) > before else failures + 1
            if failures == TRIES:
                raise ThawError(
                    f"{url} could not be fetched in {TRIES} tries ({problem}): check data.source "
                    "and the network; the next run continues with what has come"
                ) from None
            time.sleep(PAUSE * 2 ** (failures - 1))
    os.replace(part, target)
    tag.unlink(missing_ok=True)


def _transfer(url: str, part: Path, tag: Path) -> None:
    """One request that starts `part` or adds to it."""
    headers = {"Accept-Encoding": "identity"}  # so that lengths are those of the file
    if part.exists() and tag.exists():
        headers["Range"] = f"bytes={_size(part)}-"
        headers["If-Range"] = tag.read_text(encoding="utf-8")  # otherwise the server sends it all
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        _check_status(url, answer, part)
        had = _size(part) if answer.status_code == 206 else 0
        if not had:
            part.unlink(missing_ok=True)
            _keep_validator(answer, tag)
        length = answer.headers.get("Content-Length")
        total = had + int(length) if length else None
        _save(answer, part, had, total)
    if total is not None and _size(part) != total:
        raise Interrupted(f"{_size(part)} of {total} bytes came")


def _check_status(url: str, answer: requests.Response, part: Path) -> None:
    status = f"{answer.status_code} {answer.reason}"
    if answer.status_code == 416:  # the part is longer than the file
        part.unlink(missing_ok=True)
        raise Interrupted(status)
    if answer.status_code in AGAIN:
        raise Interrupted(status)
    if answer.status_code not in (200, 206):
        raise ThawError(f"{url} answered {status}: check data.source")


def _keep_validator(answer: requests.Response, tag: Path) -> None:
    """Remember which version of the file this is; a weak ETag promises too little."""
    etag = answer.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else answer.headers.get("Last-Modified")
    if validator:
        tag.write_text(validator, encoding="utf-8")
    else:
        tag.unlink(missing_ok=True)


def _save(answer: requests.Response, part: Path, had: int, total: int | None) -> None:
    bar = tqdm(desc="download", initial=had, total=total, unit="B", unit_scale=True, disable=None)
    with part.open("ab") as stream, bar:
        for piece in answer.iter_content(PIECE):
            stream.write(piece)
            bar.update(len(piece))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
