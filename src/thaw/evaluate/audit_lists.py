"""The lists of the audit, and the table of corrected labels that decisions on their images make."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from thaw.files import damage_explained

LABEL, OUTLIER, QUALITY = "label", "outlier", "quality"
LISTS = {  # their titles, and how they are made
    LABEL: (
        "Label looks wrong",
        "By the probability of the label, which heads trained without the image give.",
    ),
    OUTLIER: (
        "Shows none of the classes",
        "By the distance, of embeddings, to the nearest images of the other folds.",
    ),
    QUALITY: ("Image quality", "Dark, bright, blurred, of an odd size or aspect ratio."),
}
COLUMNS: dict[str, type] = {
    **{"list": str, "rank": int, "name": str, "label": str, "suggested": str},
    **{"score": float, "reason": str},
}
KEEP, DROP = None, ""  # decisions on an image; another text is its new label


def read_audit(path: Path) -> pd.DataFrame:
    """Read outputs/audit.csv: columns COLUMNS. Without cross-validation it has no row."""
    with damage_explained(path):
        table = pd.read_csv(path, dtype=COLUMNS, keep_default_na=False)
        if list(table.columns) != list(COLUMNS):
            raise ValueError(f"it must have the columns {', '.join(COLUMNS)}")
    return table


def corrections(
    decisions: Mapping[str, str | None], earlier: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The rows of a table of corrected labels, by name; see thaw.data.relabel.

    decisions: KEEP, DROP or the new label of each image that a person decided on. earlier: the
    rows of the table before, of which stays what is not decided anew. An image that is kept stays
    as the earlier table has it.
    """
    decided = {name: label for name, label in decisions.items() if label is not KEEP}
    return sorted((dict(earlier) | decided).items())


def corrections_csv(rows: list[tuple[str, str]]) -> bytes:
    """A table of corrected labels as CSV, as `data.relabel` takes it."""
    stream = io.StringIO()
    # RFC 4180, with CRLF: so names with a line break of any kind are quoted.
    csv.writer(stream).writerows([("name", "label"), *rows])
    return stream.getvalue().encode()
