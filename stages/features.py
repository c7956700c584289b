"""Run the frozen layers of the base once over every training and validation picture and view."""

from collections.abc import Iterator
from pathlib import Path

from thaw.data.images import read_rows
from thaw.data.shards import cores
from thaw.data.split import read_split
from thaw.frozen.features import Row, fingerprint, write_features
from thaw.frozen.graph import Graph
from thaw.params import Declared
from thaw.stage import run, unfinished


def rows() -> Iterator[Row]:
    """The pictures of train and val, then the views of train."""
    split = read_split(Path("data/split.csv")).set_index("name")["split"]
    for row in read_rows("data/images.parquet", ["name", "label", "bytes"]):
        if split[row["name"]] != "test":
            yield Row(row["name"], 0, row["label"], split[row["name"]], row["bytes"])
    for row in read_rows("data/views.parquet"):
        yield Row(row["name"], row["k"], row["label"], "train", row["bytes"])


def main(params: Declared) -> None:
    """Write data/features."""
    train, compute = params.train, params.compute
    graph = Graph.open(Path("models/base"))
    cut = graph.facts.cut(train.freeze_till)
    made_with = fingerprint(graph.facts, cut, train.pooling, compute.precision, compute.cache)
    write_features(Path("data/features"), rows, graph, made_with, cores(), unfinished)


if __name__ == "__main__":
    run(main)
