"""`thaw predict`: classify images with a bundle."""

import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thaw.errors import ThawError
from thaw.files import atomic_write, storage_errors_explained
from thaw.paths import BUNDLE

if TYPE_CHECKING:
    from thaw.data.image_paths import NamedImages
    from thaw.evaluate.labelled import LabelledAnswers
    from thaw.serving.batch import Batch, Images, Row
    from thaw.serving.tables import Columns, Truth

WRONG_USE, STOPPED = 2, 130  # exit codes
PARTIAL = ".partial"  # added to the name of an output that is not finished
FROM_STDIN = "-"


def predict(  # noqa: PLR0913, each is an option
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Images, folders, archives or globs; - reads paths, a line each, from stdin.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv, .jsonl or .parquet to write.")
    ] = None,
    bundle: Annotated[
        str, typer.Option(help="The bundle that predicts: a folder, a .zip or an address.")
    ] = str(BUNDLE),
    top: Annotated[
        int | None, typer.Option(min=1, help="Only so many of the most probable classes.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Abstain below this probability, as unsure.")
    ] = 0.0,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="folders|CSV",
            help="True labels, to measure the answers: the folder of each image, or a CSV with "
            "columns path and label.",
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write what speaks for each label, as PNG."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with what a stopped run has left in OUTPUT.partial."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON: an object a line.")] = False,
) -> None:
    """Classify images with a bundle: one row for each, in the order given.

    Columns: path, label, p_CLASS of each class, unknown_score, abstain (unknown: shows none of the
    classes; unsure: too risky by the decision rule, or below --min-confidence) and error: an image
    that cannot be used is a row, too. Without -o, rows go to stdout: as bars on a terminal, else
    as CSV. The values are those of Python and of the stage evaluate, to the last bit. Exit code 0
    if all were answered, 1 if some images failed, 2 for wrong use.

    Examples: `thaw predict cat.jpg` · `thaw predict photos more.zip -o out.csv --resume` · `thaw
    predict sorted --labels folders -o out.csv` · `find . -name '*.jpg' | thaw predict - --json`
    """
    with _errors_exit():
        from thaw.data.image_paths import NamedImages
        from thaw.parallel import cores
        from thaw.serving.batch import Batch
        from thaw.serving.predictor import Predictor
        from thaw.serving.tables import Columns

        if output is not None:
            _check_output(output, resume, force)
        elif resume or force:
            raise ThawError("--resume and --force need an output: name one with -o")
        images = NamedImages(_expanded(paths))
        named = iter(images)
        if (first := next(named, None)) is None:
            raise ThawError(f"PATH must hold images, but {', '.join(paths)} holds none: correct it")
        batch = Batch(Predictor(bundle, cores()), min_confidence, explain)
        tally = _tally(batch.predictor.labels, labels)
        columns = Columns(batch.predictor.labels, top, tally.truth)
        run = _Run(batch, images, chain([first], named))
        if output is None:
            _print(tally.counted(run.rows()), columns, json_, top or 1)
        else:
            _write(output, run, columns, tally, resume)
        tally.report(json_, aside=output is None)
    if tally.failed:
        typer.echo(f"{tally.failed:,} of {tally.count:,} images failed: see `error`", err=True)
        raise typer.Exit(1)


@contextmanager
def _errors_exit() -> Iterator[None]:
    """Exit with WRONG_USE on what the user can mend, and with STOPPED on Ctrl-C; both in a line."""
    try:
        # Pillow warns about odd metadata; what matters is in the rows.
        with storage_errors_explained(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ThawError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(WRONG_USE) from None
    except KeyboardInterrupt:
        typer.echo("stopped; with --resume, the same command goes on from here", err=True)
        raise typer.Exit(STOPPED) from None


def _expanded(paths: list[str]) -> Iterator[Path]:
    from thaw.data.image_paths import expand

    for path in paths:
        if path == FROM_STDIN:
            yield from (Path(line) for line in sys.stdin.read().splitlines() if line)
        elif found := expand(path):
            yield from found
        else:
            raise ThawError(f"{path} does not exist; paths start from {Path.cwd()}: correct it")


def _tally(classes: list[str], labels: str | None) -> "_Tally":
    if labels is None:
        return _Tally()
    from thaw.data.truth import truth_of
    from thaw.evaluate.labelled import LabelledAnswers

    return _Tally(truth_of(labels), LabelledAnswers(classes))


@dataclass
class _Tally:
    """Counts rows as they pass, and measures them if true labels are given."""

    truth: "Truth | None" = None
    answers: "LabelledAnswers | None" = None
    count: int = 0
    failed: int = 0

    def counted(self, rows: "Iterable[Row]") -> "Iterator[Row]":
        """The same rows."""
        for row in rows:
            self.count += 1
            self.failed += row.error is not None
            if self.truth and self.answers:
                self.answers.add(self.truth(row.path), row.label, row.abstain is not None)
            yield row

    def report(self, as_json: bool, aside: bool) -> None:
        """Print how good the answers are; aside: to stderr, because stdout has the rows."""
        if self.answers is None:
            return
        from thaw.evaluate.labelled import as_text

        report = self.answers.report()
        as_json = as_json and not aside
        text = json.dumps(report, ensure_ascii=False) + "\n" if as_json else as_text(report)
        typer.echo(text, nl=False, err=aside)


@dataclass
class _Run:
    """A batch and its images, of which `named` are not yet predicted."""

    batch: "Batch"
    images: "NamedImages"
    named: "Images"

    def rows(self, done: int = 0, bar: bool = True) -> "Iterator[Row]":
        """The rows of those, the first of which is row `done` of all, with a progress bar."""
        from tqdm import tqdm

        with tqdm(
            initial=done, unit="image", desc="predict", disable=None if bar else True
        ) as progress:
            for row in self.batch.rows(self.named, done):
                progress.total = self.images.total
                progress.update()
                yield row


def _print(rows: "Iterator[Row]", columns: "Columns", as_json: bool, top: int) -> None:
    from thaw.cli.prediction_lines import print_lines
    from thaw.serving.tables import write_csv, write_json_lines

    if as_json:
        write_json_lines(sys.stdout, rows, columns)
    elif sys.stdout.isatty():
        print_lines(rows, columns.labels, top)
    else:
        write_csv(sys.stdout, rows, columns)


def _check_output(output: Path, resume: bool, force: bool) -> None:
    """Raise ThawError if it cannot be written or exists; exit if there is nothing to go on with."""
    from thaw.serving.tables import check_suffix

    check_suffix(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ThawError(f"{output} must be in a folder, but {output.parent} is none") from None
    if output.is_dir() or not os.access(output.parent, os.W_OK):
        raise ThawError(f"{output} must be a file in a folder that can be written: name another")
    if not output.exists() or force or (resume and _partial(output).exists()):
        return
    if resume:
        typer.echo(f"{output} is complete; --force predicts again", err=True)
        raise typer.Exit
    raise ThawError(f"{output} exists: name another output, or replace it with --force")


def _partial(output: Path) -> Path:
    """The rows while the output is not finished."""
    return output.with_name(output.name + PARTIAL)


def _write(output: Path, run: _Run, columns: "Columns", tally: _Tally, resume: bool) -> None:
    """Predict into a journal, and write the output from it, whole or not at all."""
    from thaw.serving.batch import Journal
    from thaw.serving.tables import write_table

    partial = _partial(output)
    if not resume:
        partial.unlink(missing_ok=True)
    journal = Journal(partial, run.batch.key)
    try:
        journal.add(run.rows(journal.resume(name for name, _ in run.named)))
        with atomic_write(output) as temporary:
            write_table(temporary, tally.counted(journal.rows()), columns)
    except Exception:  # not Ctrl-C, after which one may want to go on
        if not resume:
            partial.unlink(missing_ok=True)
        raise
    partial.unlink()
    typer.echo(f"{output} is written", err=True)
