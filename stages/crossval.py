"""Cross-validate the head over the folds of train and val."""

import gc

gc.disable()  # until `run`: what the imports create stays

from thaw.data.tables import read_classes
from thaw.experiments.cross_validation import (
    Fit,
    cross_validate,
    solved,
    trained,
    write_results,
)
from thaw.experiments.out_of_fold import write_nothing
from thaw.features.adam_head import AdamSettings
from thaw.features.embedded import Embedded
from thaw.features.stored import read_embeddings
from thaw.params import Params
from thaw.paths import CROSSVAL, EMBEDDINGS, IMAGES, OUT_OF_FOLD
from thaw.stage import run


def main(params: Params) -> None:
    """Write outputs/out_of_fold.csv and outputs/crossval.json.

    `training` in the latter is `head`: the predictions stand for a head on the embeddings of the
    pre-trained base, and so for the bundle only if the entire base is frozen. Switched off, the
    table has no row and the summary no metric.
    """
    classes = read_classes(IMAGES)
    if not params.crossval.enabled:
        write_nothing(OUT_OF_FOLD, CROSSVAL, classes)
        return
    embeddings, rows = read_embeddings(EMBEDDINGS)
    data = Embedded.of(embeddings, rows, classes)
    probabilities = cross_validate(data, len(classes), head_phase(params, len(classes)))
    training = {"training": "head", "head_solver": params.train.head_solver}
    write_results(OUT_OF_FOLD, CROSSVAL, rows[rows["view"] == 0], probabilities, classes, training)


def head_phase(params: Params, classes: int) -> Fit:
    """How the head phase trains a head."""
    if params.train.head_solver == "lbfgs":
        return solved
    return trained(AdamSettings.of(params.train, params.seed), classes)


if __name__ == "__main__":
    run("crossval", main)
