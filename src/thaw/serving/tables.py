"""Write rows of predictions as CSV, JSON lines or Parquet."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from thaw.errors import ThawError
from thaw.parallel import batched
from thaw.serving.batch import Row

SUFFIXES = (".csv", ".jsonl", ".parquet")
ROW_GROUP = 4096  # rows of a Parquet file that are in memory at once

Truth = Callable[[str], str | None]  # the true label of an image, by its name, if it is known


class Columns:
    """The columns of the output.

    path, label, a probability p_<class> of each class, unknown_score, abstain and error. top: only
    so many of the most probable classes, as label_1, p_1, label_2, … truth: adds a column of it
    after the label.
    """

    def __init__(self, labels: list[str], top: int | None = None, truth: Truth | None = None):
        self._labels, self._truth = labels, truth
        self._top = top if top is None else min(top, len(labels))
        chosen = [f"{name}_{n}" for n in range(1, (self._top or 0) + 1) for name in ("label", "p")]
        probabilities = [f"p_{label}" for label in labels] if top is None else chosen
        known = [] if truth is None else ["truth"]
        self.names = ["path", "label", *known, *probabilities, "unknown_score", "abstain", "error"]

    def of(self, row: Row) -> dict[str, Any]:
        """The values of a row, by column; None where there is none."""
        first = [row.path, row.label]
        first += [] if self._truth is None else [self._truth(row.path)]
        values = [*first, *self._probabilities(row), row.unknown_score, row.abstain, row.error]
        return dict(zip(self.names, values, strict=True))

    def _probabilities(self, row: Row) -> list[Any]:
        count = len(self._labels)
        found = row.probabilities
        if found is None:
            return [None] * (count if self._top is None else 2 * self._top)
        if self._top is None:
            return list(found)
        order = sorted(range(count), key=lambda k: -found[k])[: self._top]
        return [value for k in order for value in (self._labels[k], found[k])]


def check_suffix(path: Path) -> None:
    """Raise ThawError unless it is one of SUFFIXES, or if its package is missing."""
    if path.suffix not in SUFFIXES:
        raise ThawError(f"an output must be called {', '.join(SUFFIXES)}, but is {path}: rename it")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ModuleNotFoundError:
            raise ThawError(
                "Parquet needs the package pyarrow, which is not installed: run `pip install "
                "'thaw[parquet]'`, or write .csv or .jsonl"
            ) from None


def write_table(path: Path, rows: Iterable[Row], columns: Columns) -> None:
    """Write a file, of the kind that its suffix says. The same rows give the same bytes."""
    if path.suffix == ".parquet":
        _write_parquet(path, rows, columns)
        return
    write = write_json_lines if path.suffix == ".jsonl" else write_csv
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        write(stream, rows, columns)


def write_csv(stream: IO[str], rows: Iterable[Row], columns: Columns) -> None:
    """Write CSV with a header; an empty field has no value."""
    writer = csv.DictWriter(stream, columns.names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(columns.of, rows))


def write_json_lines(stream: IO[str], rows: Iterable[Row], columns: Columns) -> None:
    """Write a JSON object for each row, in a line."""
    for row in rows:
        stream.write(json.dumps(columns.of(row), ensure_ascii=False) + "\n")


def _write_parquet(path: Path, rows: Iterable[Row], columns: Columns) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {name for name in columns.names if name.startswith("p_")} | {"unknown_score"}
    schema = pa.schema(
        [(name, pa.float32() if name in numbers else pa.string()) for name in columns.names]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for block in batched(map(columns.of, rows), ROW_GROUP):
            writer.write_table(pa.Table.from_pylist(block, schema))
