"""Read the pictures of the source, leave out the broken ones, group the near duplicates."""

from pathlib import Path

from thaw.data.contact_sheet import write_sheet
from thaw.data.images import decode
from thaw.data.ingest import collect, examples, summary, write_images, write_inventory
from thaw.data.shards import cores
from thaw.data.source import open_source
from thaw.files import write_json
from thaw.params import Declared
from thaw.stage import run


def main(params: Declared) -> None:
    """Write data/images.parquet, data/inventory.csv, metrics/ingest.json and plots/dataset.png."""
    data = params.data
    with open_source(data.source, data.sha256) as members:
        collection = collect(
            members,
            data.classes,
            data.limit_per_class,
            data.max_megapixels,
            data.near_duplicate_bits,
            cores(),
        )
        write_images(Path("data/images.parquet"), members, collection)
        shown = examples(members, collection, classes=12, each=8)
    write_inventory(Path("data/inventory.csv"), collection.remarks)
    write_json("metrics/ingest.json", summary(collection))
    rows = [(label, [decode(data, 160) for data in pictures]) for label, pictures in shown]
    more = len(collection.classes) - len(shown)
    title = f"{len(collection.pictures)} pictures" + (f", {more} more classes" if more else "")
    write_sheet(Path("plots/dataset.png"), title, rows)


if __name__ == "__main__":
    run(main)
