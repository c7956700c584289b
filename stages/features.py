"""Run the frozen prefix once over every training and validation image and view."""

import gc

gc.disable()  # until `run`: what the imports create stays

from thaw.features.extract import Engine, write_array, write_nothing
from thaw.features.graph import Graph
from thaw.features.rows import Rows
from thaw.features.stored import ACTIVATIONS_FILE
from thaw.params import Params
from thaw.paths import BASE, FEATURES, IMAGES, SPLIT, VIEWS
from thaw.stage import checkpoint_dir, run


def main(params: Params) -> None:
    """Write data/features: the activations at the cut, unless nothing follows it."""
    compute = params.compute
    graph = Graph.open(BASE)
    cut = graph.info.cut(params.train.freeze_till)
    fingerprint = graph.info.fingerprint(
        params.base.resize, compute.precision, compute.cache_dtype, cut=cut
    )
    if cut == graph.info.layers:
        write_nothing(FEATURES, fingerprint)
        return
    checkpoint = checkpoint_dir("features", fingerprint | {"max_cpu_isa": compute.max_cpu_isa})
    dtype = compute.cache_dtype if cut > 1 else "uint8"  # at 0 and 1 the images themselves
    engine = Engine(graph.prefix(cut), compute.precision, dtype)
    rows = Rows(IMAGES, SPLIT, VIEWS)
    write_array(FEATURES / ACTIVATIONS_FILE, rows, engine, fingerprint, checkpoint)


if __name__ == "__main__":
    run("features", main)
