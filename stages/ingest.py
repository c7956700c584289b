"""Read the images of the source, leave out unusable ones, group near duplicates."""

import gc

gc.disable()  # until `run`: what the imports create stays

import logging

from thaw.data.dataset import examples, in_one_line, summary, write_images, write_inventory
from thaw.data.image_grid import write_image_grid
from thaw.data.ingest import collect
from thaw.data.source import open_source
from thaw.files import write_json
from thaw.images import decode
from thaw.parallel import cores
from thaw.params import Params
from thaw.paths import IMAGES, INGEST_SUMMARY, INVENTORY, PLOTS
from thaw.stage import run

log = logging.getLogger("thaw")


def main(params: Params) -> None:
    """Write data/images.parquet, data/inventory.csv, data/ingest.json and plots/dataset.png."""
    data = params.data
    with open_source(data) as members:
        dataset = collect(members, data, cores())
        write_images(IMAGES, members, dataset)
        shown = examples(members, dataset, classes=12, per_class=8)
    write_inventory(INVENTORY, dataset.inventory)
    write_json(INGEST_SUMMARY, summary(dataset))
    rows = [(label, [decode(data, 160) for data in images]) for label, images in shown]
    more = len(dataset.classes) - len(shown)
    title = f"{len(dataset.images)} images" + (f", {more} more classes" if more else "")
    write_image_grid(PLOTS / "dataset.png", title, rows)
    log.info("%s", in_one_line(dataset))


if __name__ == "__main__":
    run("ingest", main)
