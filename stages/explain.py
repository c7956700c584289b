"""Ask the bundle where it looks, on a fixed list of test pictures of each class."""

from pathlib import Path

from thaw.data.images import read_rows
from thaw.data.split import read_split
from thaw.evaluate.gradcam import choose, explain, write_explained
from thaw.params import Declared
from thaw.serving.predictor import Predictor
from thaw.stage import run

TABLE = "data/images.parquet"


def main(params: Declared) -> None:
    """Write outputs/explain."""
    predictor = Predictor("models/bundle")
    split = read_split(Path("data/split.csv")).set_index("name")["split"]
    test = (
        row for row in read_rows(TABLE, ["name", "label", "sha256"]) if split[row["name"]] == "test"
    )
    chosen = choose(test, predictor.labels, params.evaluate.explain_per_class)
    found = {
        row["name"]: row
        for row in read_rows(TABLE, ["name", "label", "bytes"])
        if row["name"] in chosen
    }
    write_explained(Path("outputs/explain"), explain(predictor, [found[name] for name in chosen]))


if __name__ == "__main__":
    run(main)
