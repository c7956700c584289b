"""What commands print: the result on standard output, all else on standard error."""

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def as_json(content: Any) -> str:
    """The JSON document of a result, indented."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def print_json(content: Any) -> None:
    """Print the one JSON document of a command."""
    typer.echo(as_json(content), nl=False)


def note(line: str) -> None:
    """Print what is not the result: what is written, what was left out, what comes next."""
    typer.echo(line, err=True)
