"""Show predictions on a terminal: a line and a bar for each."""

import shutil
from collections.abc import Iterable

import typer

from thaw.serving.batch import Row

BAR = 20  # characters of a probability of 1
LONGEST = 24  # characters of a class
NOTES = {"unknown": "shows none of the classes", "unsure": "not sure enough"}


def print_lines(rows: Iterable[Row], labels: list[str], top: int) -> None:
    """Print each image with its `top` most probable classes, as wide as the terminal."""
    label_width = min(LONGEST, max(map(len, labels)))
    other_columns = label_width + BAR + len("  " * 4 + "0.000") + max(map(len, NOTES.values()))
    name_width = max(12, shutil.get_terminal_size().columns - other_columns)
    for row in rows:
        name = _shortened(row.path, name_width)
        if row.probabilities is None or row.label is None:
            typer.echo(f"{name:{name_width}}  {typer.style(row.error or '', fg='red')}")
            continue
        by_label = dict(zip(labels, row.probabilities, strict=True))
        rest = sorted((k for k in labels if k != row.label), key=lambda label: -by_label[label])
        note, colour = NOTES.get(row.abstain or "", ""), "yellow" if row.abstain else "green"
        for label in [row.label, *rest][:top]:
            filled = "█" * round(BAR * by_label[label])
            bar = typer.style(f"{filled:{BAR}}", fg=colour)
            shown = f"{label[:LONGEST]:{label_width}}  {bar} {by_label[label]:.3f}"
            typer.echo(f"{name:{name_width}}  {shown}  {note}".rstrip())
            name = note = ""


def _shortened(path: str, width: int) -> str:
    return path if len(path) <= width else f"…{path[1 - width :]}"
