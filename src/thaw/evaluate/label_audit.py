"""Rank the images whose label looks wrong, and those that show none of the classes.

The two rankings find different images: a cat under the label Dog is near many images, and one
that a head is sure of may be far from all.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from cleanlab.count import num_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from thaw.evaluate.audit_lists import COLUMNS, LABEL, OUTLIER
from thaw.evaluate.predictions import Predictions

NEIGHBOURS = 10
DIGITS = 6  # of a score; the ones after them differ between processors


def ranking(
    which: str, found: Predictions, scores: np.ndarray, reasons: Sequence[str]
) -> pd.DataFrame:
    """A list as rows of `COLUMNS`, highest score first; suggested is the most probable class.

    which: the list; found: N out-of-fold predictions; scores: float (N,); reasons: N, empty for an
    image that is not in the list.
    """
    classes = np.array(found.labels, dtype=object)
    columns = {
        "name": found.names,
        "label": classes[found.truth],
        "suggested": classes[found.predicted],
        "score": np.round(np.asarray(scores, np.float64), DIGITS),
        "reason": reasons,
    }
    table = pd.DataFrame(columns).query("reason != ''")
    table = table.sort_values(["score", "name"], ascending=[False, True], ignore_index=True)
    return table.assign(list=which, rank=np.arange(1, len(table) + 1))[list(COLUMNS)]


def label_list(found: Predictions) -> pd.DataFrame:
    """All images; the score is 1 minus the probability of the label, in [0, 1].

    That probability is cleanlab's self-confidence (Northcutt et al. 2021).
    """
    quality = get_label_quality_scores(found.truth, found.probabilities.astype(np.float64))
    reasons = []
    for probability, row, true, best in zip(
        quality, found.probabilities, found.truth, found.predicted, strict=True
    ):
        reason = f"{found.labels[true]} has a probability of {probability:.1%}"
        other = f", {found.labels[best]} of {row[best]:.1%}" if best != true else ""
        reasons.append(reason + other)
    return ranking(LABEL, found, 1 - quality, reasons)


def count_wrong_labels(found: Predictions) -> int:
    """How many labels are wrong by confident learning (Northcutt et al. 2021)."""
    probabilities = found.probabilities.astype(np.float64)
    return int(num_label_issues(found.truth, probabilities))


def outlier_list(found: Predictions, embeddings: np.ndarray, fold: np.ndarray) -> pd.DataFrame:
    """All images; the score is their distance to the nearest images of the other folds."""
    distances = neighbour_distances(embeddings, fold)
    usual = np.median(distances)
    reasons = [
        f"its nearest images are at a distance of {distance:.2g}; {usual:.2g} is usual"
        for distance in distances
    ]
    return ranking(OUTLIER, found, distances, reasons)


def neighbour_distances(embeddings: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Mean cosine distance of each image to its NEIGHBOURS nearest, float64 (N,), in [0, 2].

    embeddings: float (N, V); fold: int (N,). The nearest are those of the other folds, because
    duplicates, which are in one fold, would hide each other. The outlier score of Kuan and Mueller
    2022 ("Back to the Basics"), before its rescaling. The mean of the other folds is subtracted
    first: embeddings of a ReLU are positive, and the cosine would tell mostly how near they are to
    their mean.
    """
    embeddings = np.asarray(embeddings, np.float32)
    distances = np.empty(len(fold))
    for number in np.unique(fold):
        held_out = fold == number
        directions = normalize(embeddings - embeddings[~held_out].mean(axis=0))
        others = directions[~held_out]
        search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(others)), algorithm="brute")
        lengths, _ = search.fit(others).kneighbors(directions[held_out])
        distances[held_out] = (lengths**2).mean(axis=1) / 2  # |a - b|² = 2 (1 - cos)
    return distances
