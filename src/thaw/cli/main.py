"""The command `thaw`: its subcommands, and how a mistake of the user ends it."""

import sys

import typer

from thaw.cli.use import use
from thaw.cli.verify import verify
from thaw.errors import ThawError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Turn labelled images into an evaluated, explained classifier, reproducibly. "
    "`dvc repro` runs the pipeline; this command sets it up and checks what it made.",
)
app.command()(use)
app.command()(verify)


def main() -> None:
    """Run the command; a mistake of the user ends it with a line for each and exit code 1."""
    try:
        app()
    except ThawError as problem:
        for line in str(problem).splitlines():
            typer.echo(f"error: {line}", err=True)
        sys.exit(1)
