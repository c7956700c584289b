"""Compute Grad-CAM heatmaps of the bundle for a fixed list of test images per class."""

import gc

gc.disable()  # until `run`: what the imports create stays

from thaw.data.tables import read_rows, read_split
from thaw.evaluate.gradcam import choose, explain, write_explained
from thaw.params import Params
from thaw.paths import BUNDLE, EXPLAIN, IMAGES, SPLIT
from thaw.serving.predictor import Predictor
from thaw.stage import run


def main(params: Params) -> None:
    """Write outputs/explain."""
    predictor = Predictor(BUNDLE)
    split = read_split(SPLIT, IMAGES).set_index("name")["split"]
    test = (
        row
        for row in read_rows(IMAGES, ["name", "label", "sha256"])
        if split[row["name"]] == "test"
    )
    chosen = choose(test, predictor.labels, params.evaluate.explain_per_class)
    found = {row["name"]: row for row in read_rows(IMAGES, ["name", "label", "bytes"], chosen)}
    write_explained(EXPLAIN, explain(predictor, [found[name] for name in chosen]))


if __name__ == "__main__":
    run("explain", main)
