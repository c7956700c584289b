"""Split the pictures by group into train, val and test, and train and val into folds."""

from pathlib import Path

import pandas as pd

from thaw.data.divide import make_split
from thaw.data.images import read_rows
from thaw.data.split import write_split
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write data/split.csv."""
    images, split = Path("data/images.parquet"), params.split
    pictures = pd.DataFrame(read_rows(images, ["name", "label", "group"]))
    table = make_split(pictures, split.val, split.test, split.folds, params.seed)
    write_split(Path("data/split.csv"), table, images)


if __name__ == "__main__":
    run(main)
