"""The true labels of images that a user names: by their folders, or by a table."""

import csv
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from thaw.data.member_checks import unreadable_refused
from thaw.errors import ThawError, listing

FOLDERS = "folders"  # in place of a table: an image is labelled by the folder that it is in
COLUMNS = ("path", "label")


def truth_of(source: str) -> Callable[[str], str | None]:
    """A function from the name of an image to its true label, None if it has none.

    source: FOLDERS, or the path of a CSV with the columns path and label; its paths start from its
    own folder. Raises ThawError if it cannot be read.
    """
    if source == FOLDERS:
        return lambda name: PurePosixPath(name).parent.name or None
    labels = _read(Path(source))
    return lambda name: labels.get(os.path.abspath(name))


def _read(path: Path) -> dict[str, str]:
    """Label by absolute path."""
    with unreadable_refused(path), path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            reader = csv.DictReader(stream, strict=True)
            columns = reader.fieldnames or []
            rows = list(reader) if set(COLUMNS) <= set(columns) else []
        except (UnicodeDecodeError, csv.Error) as error:
            raise ThawError(f"--labels must be UTF-8 CSV, but {path} is not: {error}") from None
    if not rows:
        raise ThawError(
            f"--labels must be `folders` or a CSV with columns path and label and a row or more, "
            f"but {path} has {listing(columns)} and {len(rows)} rows: correct it"
        )
    start = os.path.abspath(path.parent)
    return {
        os.path.normpath(os.path.join(start, row["path"])): row["label"].strip()
        for row in rows
        if row["path"] and row["label"]
    }
