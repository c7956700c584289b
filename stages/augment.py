"""Make augmented views of the training images."""

import gc

gc.disable()  # until `run`: what the imports create stays

from thaw.data.image_grid import write_image_grid
from thaw.data.tables import read_split
from thaw.data.views import ViewSettings, showcase, write_views
from thaw.parallel import cores
from thaw.params import Params
from thaw.paths import IMAGES, PLOTS, SPLIT, VIEWS
from thaw.stage import run


def main(params: Params) -> None:
    """Write data/views.parquet and plots/augmentation.png."""
    base = params.base
    settings = ViewSettings(params.augment, base.image_size, base.resize, params.seed)
    split = read_split(SPLIT, IMAGES)
    train = set(split.loc[split["split"] == "train", "name"])
    write_views(VIEWS, IMAGES, train, settings, cores())
    rows = showcase(IMAGES, VIEWS, train, settings, count=6, each=5)
    most = max(len(images) for _, images in rows) - 1
    title = "Training images and their views" if most else "Training images; no views are made"
    columns = ["original", *(f"view {k}" for k in range(1, most + 1))]
    write_image_grid(PLOTS / "augmentation.png", title, rows, columns)


if __name__ == "__main__":
    run("augment", main)
