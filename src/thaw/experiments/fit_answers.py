"""Fit how a bundle answers: its temperature, its decision rule and its unknown score.

Everything is fitted on images that the training did not see: on out-of-fold predictions where they
are of the very training that the bundle did, else on validation images. Test takes no part.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thaw.decision import DecisionRule
from thaw.evaluate import unknown
from thaw.evaluate.decision_rule import choose_rule
from thaw.evaluate.predictions import Predictions, read_out_of_fold
from thaw.features.stored import read_embeddings
from thaw.files import damage_explained, read_json
from thaw.params import Decision
from thaw.paths import (
    CROSSVAL,
    EMBEDDINGS,
    FULL_CROSSVAL,
    FULL_OUT_OF_FOLD,
    OUT_OF_FOLD,
    TRAIN,
)
from thaw.temperature import fit_temperature, with_temperature

TRAINED_EMBEDDINGS = TRAIN / "embeddings.npy"  # only if the tail was trained


@dataclass(frozen=True)
class Answers:
    """What is fitted, and on which images: `out-of-fold` or `val`, and how many."""

    temperature: float
    rule: DecisionRule
    images: str
    n: int

    def manifest(self, decision: Decision) -> dict[str, Any]:
        """What the bundle's manifest says of it, and for what it was chosen."""
        return {
            "temperature": self.temperature,
            "decision": {
                "aim": decision.aim,
                "abstain": decision.abstain,
                **vars(self.rule),
            },
            "fitted_on": {"images": self.images, "n": self.n},
        }


def fit_answers(classes: list[str], decision: Decision, calibrate: bool) -> Answers:
    """Fit the temperature, which is 1 unless `calibrate`, and the decision rule."""
    fitting, temperature = fitting_predictions(classes), 1.0
    if calibrate:
        temperature = fit_temperature(fitting.probabilities, fitting.truth)
    probabilities = with_temperature(fitting.probabilities, temperature)
    calibrated = replace(fitting, probabilities=probabilities)
    rule = choose_rule(calibrated, decision.aim, decision.costs, decision.abstain)
    return Answers(temperature, rule, str(fitting.split[0]), len(fitting.truth))


def fitting_predictions(classes: list[str]) -> Predictions:
    """Out-of-fold predictions if they are of the training that the bundle did, else those of val.

    `split` of them says which: out-of-fold or val.
    """
    if read_json(FULL_CROSSVAL, ["n"])["n"]:
        return read_out_of_fold(FULL_OUT_OF_FOLD, classes)
    if not TRAINED_EMBEDDINGS.exists() and read_json(CROSSVAL, ["n"])["n"]:
        return read_out_of_fold(OUT_OF_FOLD, classes)
    return read_out_of_fold(TRAIN / "val.csv", classes, "val")


def fit_unknown(positions: int, refuse: float) -> tuple[unknown.Reference, float]:
    """Fit the reference of the unknown score, and the limit that refuses a share of known images.

    positions: of the feature map in an embedding; 1 if it is their average. The embeddings are
    those of the network that is shipped. If the tail was trained, the reference is that of train,
    and the limit that of val; else the reference is that of both, and the limit that of
    out-of-fold scores.
    """
    embeddings, rows = read_embeddings(EMBEDDINGS)
    images = np.flatnonzero(rows["view"] == 0)
    fold, is_val = rows["fold"].to_numpy()[images], (rows["split"] == "val").to_numpy()[images]
    if not TRAINED_EMBEDDINGS.exists():
        known = unknown.over_positions(embeddings[images], positions)
        return unknown.fit(known), unknown.limit(unknown.out_of_fold(known, fold), refuse)
    with damage_explained(TRAINED_EMBEDDINGS):
        known = unknown.over_positions(np.load(TRAINED_EMBEDDINGS), positions)
        if len(known) != len(images):
            raise ValueError(f"it must hold a row for each of {len(images)} images")
    reference = unknown.fit(known[~is_val])
    return reference, unknown.limit(unknown.score(reference, known[is_val]), refuse)
