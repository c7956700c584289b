"""Make augmented views of the training pictures."""

from pathlib import Path

from thaw.data.contact_sheet import write_sheet
from thaw.data.shards import cores
from thaw.data.split import read_split
from thaw.data.views import showcase, write_views
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write data/views.parquet and plots/augmentation.png."""
    images, views = Path("data/images.parquet"), Path("data/views.parquet")
    settings, size = params.augment, params.base.image_size
    split = read_split(Path("data/split.csv"), images)
    train = set(split.loc[split["split"] == "train", "name"])
    write_views(views, images, train, settings, size, params.seed, cores())
    rows = showcase(images, views, train, size, pictures=6, each=5)
    most = max(len(pictures) for _, pictures in rows) - 1
    title = "Training pictures and their views" if most else "Training pictures; no views are made"
    names = ["original", *(f"view {k}" for k in range(1, most + 1))]
    write_sheet(Path("plots/augmentation.png"), title, rows, names)


if __name__ == "__main__":
    run(main)
