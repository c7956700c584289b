"""Make a graph of the pre-trained base that can be cut at any depth and runs without Keras."""

from pathlib import Path

from thaw.model.network import as_graph, load_base
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write models/base."""
    settings = params.base
    as_graph(load_base(settings, params.seed), settings.name).write(Path("models/base"))


if __name__ == "__main__":
    run(main)
