"""Time `dvc status` and `dvc repro` with nothing changed, by the source that DVC watches.

    python benchmarks/no_op.py ARCHIVE

ARCHIVE is a zip of some thousand images in class folders. The sources: the sample; a folder with
the files of ARCHIVE; an archive of 25,000 small JPEG crops of its images; a folder of 50,000. For
each, a clone in a temporary folder runs the entire pipeline once, with small settings but for the
sample. Then, in five rounds, all files of the source get a new time, so that DVC hashes them again
(`dvc status`, first), and `dvc status` and `dvc repro` find nothing changed. Prints a Markdown
table of medians.
"""

import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from clone import clone, timed
from crops import crops, write_zip

from thaw.data.tables import read_rows

ROUNDS = 5
ARCHIVE_FILES, FOLDER_FILES = 25_000, 50_000
SIDE = 64  # pixels of a crop
SMALL = (
    "augment.views=0 base.alpha=0.35 base.image_size=32 base.weights=none "
    "data.max_phash_distance=0 split.test=0.05 split.val=0.05 train.freeze_till=all "
    "train.head_epochs=1"
)


def photographs(images: Path) -> Iterator[tuple[str, bytes]]:
    """Yield label and file of each image of a table."""
    for row in read_rows(images, ["label", "bytes"]):
        yield row["label"], row["bytes"]


def small_crops(images: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield so many crops of the images of a table."""
    total = sum(1 for _ in read_rows(images, ["name"]))
    return crops(photographs(images), count / total, SIDE)


def write_folder(path: Path, images: Path) -> Path:
    """Write a folder of crops."""
    for name, data in small_crops(images, FOLDER_FILES):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return path


def measure(what: str, source: Path | None, keep: Path | None = None) -> None:
    """Run the pipeline in a clone, time what follows, and print a row.

    source: None is the sample. keep: where to put the table of images.
    """
    folder = clone()
    if source:
        timed(f"thaw use sample data.source={source} {SMALL}", folder)
    timed("dvc repro", folder)
    if keep:
        shutil.copy(folder / "data/images.parquet", keep)
    watched = source or folder / "src/thaw/sample"
    files = [path for path in (watched, *watched.rglob("*")) if path.is_file()]
    commands = ("dvc status", "dvc status", "dvc repro")
    times: list[list[float]] = []
    for _ in range(ROUNDS):
        for path in files:
            path.touch()
        times.append([timed(command, folder) for command in commands])
    medians = (f"{median(column):.1f}" for column in zip(*times, strict=True))
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    print(f"| {what} | {len(files)} | {megabytes:.0f} | {' | '.join(medians)} |", flush=True)
    shutil.rmtree(folder.parent)


def main() -> None:
    """Make the sources and print a row for each."""
    titles = "| source | files | MB | `dvc status`, first | `dvc status` | `dvc repro` |"
    print(f"{titles}\n{'|---' * 6}|")
    measure("the sample", None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = folder / "images.parquet"
        with zipfile.ZipFile(sys.argv[1]) as archive:
            archive.extractall(folder / "photographs")
        measure("a folder", folder / "photographs", keep=images)
        measure(
            "an archive of 25,000",
            write_zip(folder / "crops.zip", small_crops(images, ARCHIVE_FILES)),
        )
        measure("a folder", write_folder(folder / "crops", images))


if __name__ == "__main__":
    main()
