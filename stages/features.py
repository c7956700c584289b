"""Run the frozen prefix once over every training and validation image and view."""

from collections.abc import Iterator

from thaw.data.tables import FOLDED, read_rows, read_split
from thaw.features.extract import Row, features_fingerprint, list_rows, write_features
from thaw.features.graph import Graph
from thaw.params import Params
from thaw.paths import BASE, FEATURES, IMAGES, SPLIT, VIEWS
from thaw.stage import checkpoint_dir, run


def rows() -> Iterator[Row]:
    """The images of train and val, then the views of train."""
    split = read_split(SPLIT, IMAGES).set_index("name")["split"]
    for row in read_rows(IMAGES, ["name", "label", "bytes"]):
        if split[row["name"]] in FOLDED:
            yield Row(row["name"], 0, row["label"], split[row["name"]], row["bytes"])
    for row in read_rows(VIEWS):
        yield Row(row["name"], row["k"], row["label"], "train", row["bytes"])


def main(params: Params) -> None:
    """Write data/features."""
    train, compute = params.train, params.compute
    graph = Graph.open(BASE)
    cut = graph.info.cut(train.freeze_till)
    settings = features_fingerprint(
        graph.info,
        cut,
        params.base.resize,
        train.pooling,
        compute.precision,
        compute.cache_dtype,
    )
    listing, digest = list_rows(rows())
    fingerprint = settings | {"rows": digest}
    checkpoint = checkpoint_dir("features", fingerprint | {"max_cpu_isa": compute.max_cpu_isa})
    write_features(FEATURES, rows(), listing, graph, fingerprint, checkpoint)


if __name__ == "__main__":
    run("features", main)
