"""What commands print: the result on standard output, all else on standard error."""

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def print_json(content: Any) -> None:
    """Print the one JSON document of a command."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def note(line: str) -> None:
    """Print, on standard error, what is not the result: progress, what is written, warnings."""
    typer.echo(line, err=True)
