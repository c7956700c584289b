"""Split the images by group into train, val and test, and train and val into folds."""

import gc

gc.disable()  # until `run`: what the imports create stays

from thaw.data.given_split import add_given
from thaw.data.split import make_split
from thaw.data.tables import read_images, read_split_column, write_split
from thaw.params import Params
from thaw.paths import IMAGES, SPLIT
from thaw.stage import run


def main(params: Params) -> None:
    """Write data/split.csv."""
    split = params.split
    column = split.column or read_split_column(IMAGES)
    images = add_given(read_images(IMAGES), column, split.group_column, split.on_leak)
    seed = params.seed if split.seed is None else split.seed
    table = make_split(images, split.val, split.test, split.folds, seed)
    write_split(SPLIT, table, IMAGES)


if __name__ == "__main__":
    run("split", main)
