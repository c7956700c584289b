"""Read the images of the source, leave out the broken ones, group the near duplicates."""

from thaw.data.image_grid import write_image_grid
from thaw.data.ingest import collect, examples, summary, write_images, write_inventory
from thaw.data.source import open_source
from thaw.files import write_json
from thaw.images import decode
from thaw.parallel import cores
from thaw.params import Params
from thaw.paths import IMAGES, INGEST_METRICS, INVENTORY, PLOTS
from thaw.stage import run


def main(params: Params) -> None:
    """Write data/images.parquet, data/inventory.csv, metrics/ingest.json and plots/dataset.png."""
    data = params.data
    with open_source(data) as members:
        collection = collect(
            members,
            data.classes,
            data.limit_per_class,
            data.max_megapixels,
            data.max_phash_distance,
            cores(),
        )
        write_images(IMAGES, members, collection)
        shown = examples(members, collection, classes=12, each=8)
    write_inventory(INVENTORY, collection.remarks)
    write_json(INGEST_METRICS, summary(collection))
    rows = [(label, [decode(data, 160) for data in images]) for label, images in shown]
    more = len(collection.classes) - len(shown)
    title = f"{len(collection.images)} images" + (f", {more} more classes" if more else "")
    write_image_grid(PLOTS / "dataset.png", title, rows)


if __name__ == "__main__":
    run("ingest", main)
