"""Download a file over HTTP or any protocol of fsspec, with a progress bar and resumption."""

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
from urllib3.exceptions import HTTPError

from thaw.errors import ThawError
from thaw.files import address_explained, atomic_write

log = logging.getLogger("thaw")

MAX_TRIES = 5  # in a row without new bytes
FIRST_PAUSE = 1.0  # seconds before the second try; doubles with each further one
TIMEOUT = (10, 60)  # seconds to connect, and between two reads
CHUNK_BYTES = 2**14  # at most this many bytes are lost when a transfer is interrupted
MAX_NAME = 100  # characters of the URL in the name of the file; a file system allows 255 bytes
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class TransferInterrupted(Exception):
    """The transfer failed in a way that a retry may fix."""


def download(url: str, folder: Path) -> Path:
    """Download `url` into `folder` and return the path; an earlier download is reused.

    Interrupted HTTP transfers resume, in this run or the next, if the server reports the same
    version of the file. Raises ThawError if the download fails.
    """
    basename = Path(unquote(urlsplit(url).path)).name or "download"
    target = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{basename[-MAX_NAME:]}"
    if target.exists():
        log.info("reusing %s; delete it to download it again", target)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    if url.startswith(("http://", "https://")):
        _download_http(url, target)
    else:
        _download_fsspec(url, target)
    return target


def _download_fsspec(url: str, target: Path) -> None:
    bar = TqdmCallback(tqdm_kwargs={"unit": "B", "unit_scale": True, "disable": None})
    with atomic_write(target) as temporary, address_explained(url):
        filesystem, path = fsspec.core.url_to_fs(url)
        filesystem.get_file(path, str(temporary), callback=bar)


def _download_http(url: str, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    tag = target.with_name(f"{target.name}.tag")
    failures = 0
    while True:
        size_before = _size(part)
        try:
            _transfer(url, part, tag)
            break
        except (requests.RequestException, HTTPError, TransferInterrupted) as error:
            failures = 1 if _size(part) > size_before else failures + 1
            if failures == MAX_TRIES:
                raise ThawError(
                    f"{url} could not be downloaded in {MAX_TRIES} tries ({error}): check the URL "
                    "and the network; the next run resumes the download"
                ) from None
            time.sleep(FIRST_PAUSE * 2 ** (failures - 1))
    os.replace(part, target)
    tag.unlink(missing_ok=True)


def _transfer(url: str, part: Path, tag: Path) -> None:
    """Send one request and write its body to `part`, or append to it if the server resumes."""
    headers = {"Accept-Encoding": "identity"}
    if part.exists() and tag.exists():
        headers["Range"] = f"bytes={_size(part)}-"
        headers["If-Range"] = tag.read_text(encoding="utf-8")  # a changed file is sent in full
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        _check_status(url, response, part)
        offset = _size(part) if response.status_code == 206 else 0
        if not offset:
            part.unlink(missing_ok=True)
            _save_validator(response, tag)
        length = response.headers.get("Content-Length")
        total = offset + int(length) if length else None
        _append(response, part, offset, total)
    if total is not None and _size(part) != total:
        raise TransferInterrupted(f"received {_size(part)} of {total} bytes")


def _check_status(url: str, response: requests.Response, part: Path) -> None:
    status = f"{response.status_code} {response.reason}"
    if response.status_code == 416:  # `part` is longer than the file
        part.unlink(missing_ok=True)
        raise TransferInterrupted(status)
    if response.status_code in RETRY_STATUSES:
        raise TransferInterrupted(status)
    if response.status_code not in (200, 206):
        raise ThawError(f"{url} returned {status}: check the URL")


def _save_validator(response: requests.Response, tag: Path) -> None:
    """Save the strong ETag or the Last-Modified date, which `If-Range` needs to resume.

    `If-Range` does not accept a weak ETag (RFC 9110, section 13.1.5).
    """
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    if validator:
        tag.write_text(validator, encoding="utf-8")
    else:
        tag.unlink(missing_ok=True)


def _append(response: requests.Response, part: Path, offset: int, total: int | None) -> None:
    bar = tqdm(
        desc="download", initial=offset, total=total, unit="B", unit_scale=True, disable=None
    )
    with part.open("ab") as stream, bar:
        # Not decoded: of a tar.gz some servers say that it is a tar, with gzip as its encoding.
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            stream.write(chunk)
            bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
