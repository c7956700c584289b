"""`thaw label`: rank unlabelled images by how much a label would help."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from thaw.cli.images import Bundle, Paths, errors_exit, expanded, no_images, open_predictor
from thaw.cli.output import AsJson, as_json, note
from thaw.errors import ThawError
from thaw.files import atomic_write

COLUMNS = ("rank", "path", "label", "p")
Row = tuple[int, str, str, float]


def label(
    paths: Paths,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", dir_okay=False, help="A file to write, instead of stdout."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of images to name.")] = 100,
    bundle: Bundle = None,
    json_: AsJson = False,
) -> None:
    """Rank unlabelled images by how much a label would help, as CSV or JSON.

    The first is the least certain; each next one is uncertain and unlike those before it, so that
    the first N are worth the work as a whole: label them, add them to data.source, and run
    `dvc repro`. Columns: rank, path, label (the predicted class) and p (its probability). The same
    images give the same ranking. An image that cannot be read is named on stderr and left out.
    Exit code 0 if all were read, 1 if some were not, 2 for wrong use.

    Examples: `thaw label new-photos` · `thaw label 'camera/**/*.jpg' more.zip -o to_label.csv`
    """
    with errors_exit():
        from thaw.data.image_paths import read_images
        from thaw.evaluate.label_ranking import rank_images

        images = read_images(expanded(paths))
        candidates, failed = rank_images(images, open_predictor(bundle), count)
        if not candidates and not failed:
            raise no_images(paths)
        ranked = [(n, c.name, c.label, c.probability) for n, c in enumerate(candidates, 1)]
        _write(output, _as_json(ranked, failed) if json_ else _as_csv(ranked))
    for name, error in failed:
        note(f"failed: {name}: {error}")
    if failed:
        raise typer.Exit(1)


def _write(path: Path | None, text: str) -> None:
    """Write `text` to `path`, atomically, or to stdout."""
    if path is None:
        typer.echo(text, nl=False)
        return
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _as_csv(ranked: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(ranked)
    return text.getvalue()


def _as_json(ranked: Iterable[Row], failed: Iterable[tuple[str, ThawError]]) -> str:
    # A float32 has the digits of the CSV as text only.
    rows = [(*row[:3], float(str(row[3]))) for row in ranked]
    images = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    errors = [{"path": name, "error": str(error)} for name, error in failed]
    return as_json({"images": images, "failed": errors})
