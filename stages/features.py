"""Run the frozen prefix once over every training and validation image and view."""

import gc

gc.disable()  # until `run`: what the imports create stays

from contextlib import closing
from typing import Any

from thaw.features.backbone_info import BackboneInfo
from thaw.features.fingerprint import write_nothing
from thaw.params import Compute, Params
from thaw.paths import BASE, FEATURES, IMAGES, SPLIT, VIEWS
from thaw.stage import checkpoint_dir, run


def main(params: Params) -> None:
    """Write data/features: the activations at the cut, unless nothing follows it."""
    info, compute = BackboneInfo.open(BASE), params.compute
    cut = info.cut(params.train.freeze_till)
    fingerprint = info.fingerprint(
        params.base.resize, compute.precision, compute.cache_dtype, cut=cut
    )
    if cut == info.layers:
        write_nothing(FEATURES, fingerprint)
    else:
        extract(cut, compute, fingerprint)


def extract(cut: int, compute: Compute, fingerprint: dict[str, Any]) -> None:
    """Write the output of the layers up to the cut."""
    # Imported here, because OpenVINO and pandas take most of this stage if the base is frozen.
    from thaw.features.extract import Engine, write_array
    from thaw.features.graph import Graph
    from thaw.features.rows import Rows
    from thaw.features.stored import ACTIVATIONS_FILE

    checkpoint = checkpoint_dir("features", fingerprint | {"max_cpu_isa": compute.max_cpu_isa})
    dtype = compute.cache_dtype if cut > 1 else "uint8"  # at 0 and 1 the images themselves
    rows = Rows(IMAGES, SPLIT, VIEWS)
    with closing(Engine(Graph.open(BASE).prefix(cut), compute.precision, dtype)) as engine:
        write_array(FEATURES / ACTIVATIONS_FILE, rows, engine, fingerprint, checkpoint)


if __name__ == "__main__":
    run("features", main)
