"""Rank the images whose label looks wrong, that show none of the classes, or are of bad quality."""

import gc

gc.disable()  # until `run`: what the imports create stays

import numpy as np
import pandas as pd

from thaw.data.tables import read_classes, read_rows
from thaw.errors import ThawError
from thaw.evaluate.audit_lists import COLUMNS, QUALITY
from thaw.evaluate.audit_page import shown, write_audit_page, write_empty_page
from thaw.evaluate.image_quality import (
    associations,
    find_issues,
    measure_quality,
    properties,
)
from thaw.evaluate.label_audit import count_wrong_labels, label_list, outlier_list, ranking
from thaw.evaluate.predictions import read_out_of_fold
from thaw.features.stored import read_embeddings
from thaw.files import atomic_write
from thaw.params import Params
from thaw.paths import AUDIT, AUDIT_PAGE, EMBEDDINGS, IMAGES, OUT_OF_FOLD
from thaw.stage import run


def main(params: Params) -> None:
    """Write outputs/audit.csv and outputs/audit.html, of train and val.

    Without cross-validation the table has no row, and the page says so.
    """
    if not params.crossval.enabled:
        write_audit(pd.DataFrame(columns=list(COLUMNS)))
        write_empty_page(AUDIT_PAGE)
        return
    classes = read_classes(IMAGES)
    found = read_out_of_fold(OUT_OF_FOLD, classes)
    embeddings, rows = read_embeddings(EMBEDDINGS)
    images = np.flatnonzero(rows["view"] == 0)
    if list(rows["name"].iloc[images]) != found.names:
        raise ThawError(
            f"{OUT_OF_FOLD} must hold the images of {EMBEDDINGS}, in their order, but does not: "
            "delete both and run `dvc repro`"
        )
    encoded = read_rows(IMAGES, ["name", "bytes"], set(found.names))
    quality = measure_quality(row["bytes"] for row in encoded)
    scores, reasons = find_issues(quality)
    audit = pd.concat(
        [
            label_list(found),
            outlier_list(found, embeddings[images], rows["fold"].to_numpy()[images]),
            ranking(QUALITY, found, scores, reasons),
        ]
    )
    write_audit(audit)
    chosen = read_rows(IMAGES, ["name", "bytes"], set(shown(audit)["name"]))
    write_audit_page(
        AUDIT_PAGE,
        audit,
        count_wrong_labels(found),
        associations(properties(quality), found.truth, classes),
        classes,
        {row["name"]: row["bytes"] for row in chosen},
    )


def write_audit(audit: pd.DataFrame) -> None:
    """Write the lists as CSV."""
    with atomic_write(AUDIT) as temporary:
        audit.to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    run("audit", main)
