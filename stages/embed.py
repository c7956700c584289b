"""Run the entire base once over every training and validation image and view."""

import gc

gc.disable()  # until `run`: what the imports create stays

from contextlib import closing

from thaw.features.extract import Engine, write_array
from thaw.features.graph import Graph
from thaw.features.rows import Rows
from thaw.features.stored import EMBEDDINGS_FILE
from thaw.params import Params
from thaw.paths import BASE, EMBEDDINGS, IMAGES, SPLIT, VIEWS
from thaw.stage import checkpoint_dir, run


def main(params: Params) -> None:
    """Write data/embeddings."""
    pooling, compute = params.train.pooling, params.compute
    graph = Graph.open(BASE)
    fingerprint = graph.info.fingerprint(
        params.base.resize, compute.precision, compute.cache_dtype, pooling=pooling
    )
    checkpoint = checkpoint_dir("embed", fingerprint | {"max_cpu_isa": compute.max_cpu_isa})
    rows = Rows(IMAGES, SPLIT, VIEWS)
    network = graph.embedder(pooling)
    with closing(Engine(network, compute.precision, compute.cache_dtype)) as engine:
        write_array(EMBEDDINGS / EMBEDDINGS_FILE, rows, engine, fingerprint, checkpoint)


if __name__ == "__main__":
    run("embed", main)
