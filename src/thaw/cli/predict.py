"""`thaw predict`: classify images with a bundle."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thaw.cli.images import Bundle, Paths, errors_exit, expanded, no_images, open_predictor
from thaw.cli.output import note, print_json
from thaw.errors import ThawError
from thaw.files import atomic_write

if TYPE_CHECKING:
    from thaw.data.image_paths import NamedImages, Read
    from thaw.evaluate.labelled import LabelledAnswers
    from thaw.serving.batch import Batch, Row
    from thaw.serving.tables import Truth

PARTIAL = ".partial"  # added to the name of an output that is not finished


Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="A .csv, .jsonl or .parquet to write.")
]
Top = Annotated[int | None, typer.Option(min=1, help="Only so many of the most probable classes.")]
MinConfidence = Annotated[
    float, typer.Option(min=0, max=1, help="Abstain below this probability, as unsure.")
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="folders|CSV",
        help="True labels, to measure the answers: the folder of each image, or a CSV with columns "
        "path and label.",
    ),
]
Explain = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Also write what speaks for each label, as PNG.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what a stopped run left in OUTPUT.partial.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON: an object a line.")]


def predict(  # noqa: PLR0913, each is an option
    paths: Paths,
    output: Output = None,
    bundle: Bundle = None,
    top: Top = None,
    min_confidence: MinConfidence = 0.0,
    labels: Labels = None,
    explain: Explain = None,
    resume: Resume = False,
    force: Force = False,
    json_: JsonLines = False,
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
    with errors_exit():
        _check_output(output, resume, force)
        run = _open(paths, bundle, min_confidence, explain)
        tally = _tally(run.batch.predictor.labels, labels)
        if output is None:
            _print(run, tally, top, json_)
        else:
            _write(output, run, tally, top, resume)
        tally.report(json_, aside=output is None)
    if tally.failed:
        note(f"{tally.failed:,} of {tally.count:,} images failed: see `error`")
        raise typer.Exit(1)


@dataclass
class _Run:
    """A batch and its images, of which `named` are not yet predicted."""

    batch: "Batch"
    images: "NamedImages"
    named: "Iterator[tuple[str, Read]]"

    def rows(self, done: int = 0, bar: bool = True) -> "Iterator[Row]":
        """The rows of those, the first of which is row `done` of all, with a progress bar."""
        from tqdm import tqdm

        from thaw.data.image_paths import attempt

        contents = ((name, attempt(read)) for name, read in self.named)
        hidden = None if bar else True  # None: unless it is on a terminal
        with tqdm(initial=done, unit="image", desc="predict", disable=hidden) as progress:
            for row in self.batch.rows(contents, done):
                progress.total = self.images.total
                progress.update()
                yield row


def _open(paths: list[str], bundle: str | None, least: float, overlays: Path | None) -> _Run:
    """Load the bundle, and find the first image. Raises ThawError if there is none."""
    from thaw.data.image_paths import NamedImages
    from thaw.serving.batch import Batch

    images = NamedImages(expanded(paths))
    named = iter(images)
    if (first := next(named, None)) is None:
        raise no_images(paths)
    return _Run(Batch(open_predictor(bundle), least, overlays), images, chain([first], named))


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
        if as_json and not aside:
            print_json(report)
        else:
            typer.echo(as_text(report), nl=False, err=aside)


def _print(run: _Run, tally: _Tally, top: int | None, as_json: bool) -> None:
    from thaw.cli.prediction_lines import print_lines
    from thaw.serving.tables import Columns, write_csv, write_json_lines

    on_terminal = sys.stdout.isatty() and not as_json
    rows = tally.counted(run.rows(bar=not sys.stdout.isatty()))
    if on_terminal:
        print_lines(rows, run.batch.predictor.labels, top or 1)
        return
    columns = Columns(run.batch.predictor.labels, top, tally.truth)
    (write_json_lines if as_json else write_csv)(sys.stdout, rows, columns)


def _check_output(output: Path | None, resume: bool, force: bool) -> None:
    """Raise ThawError if it cannot be written or exists; exit if there is nothing to go on with."""
    from thaw.serving.tables import check_suffix

    if output is None:
        if resume or force:
            raise ThawError("--resume and --force need an output: name one with -o")
        return
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
        note(f"{output} is complete; --force predicts again")
        raise typer.Exit
    raise ThawError(f"{output} exists: name another output, or replace it with --force")


def _partial(output: Path) -> Path:
    """The rows while the output is not finished."""
    return output.with_name(output.name + PARTIAL)


def _write(output: Path, run: _Run, tally: _Tally, top: int | None, resume: bool) -> None:
    """Predict into a journal, and write the output from it, whole or not at all."""
    from thaw.serving.batch import Journal
    from thaw.serving.tables import Columns, write_table

    columns = Columns(run.batch.predictor.labels, top, tally.truth)
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
    note(f"{output} is written")
