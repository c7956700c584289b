"""Split the images by group into train, val and test, and train and val into folds."""

import pandas as pd

from thaw.data.split import make_split
from thaw.data.tables import read_rows, write_split
from thaw.params import Params
from thaw.paths import IMAGES, SPLIT
from thaw.stage import run


def main(params: Params) -> None:
    """Write data/split.csv."""
    split = params.split
    images = pd.DataFrame(read_rows(IMAGES, ["name", "label", "group"]))
    table = make_split(images, split.val, split.test, split.folds, params.seed)
    write_split(SPLIT, table, IMAGES)


if __name__ == "__main__":
    run("split", main)
