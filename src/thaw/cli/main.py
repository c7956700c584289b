"""The command `thaw`: its subcommands and its exit code."""

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
    "`dvc repro` runs the pipeline; this command configures it and verifies its results.",
)
app.command()(use)
app.command()(verify)


def main() -> None:
    """Run the command. A ThawError or a missing package prints one line per error and exits 1."""
    try:
        app()
    except ThawError as error:
        lines = str(error).splitlines()
    except ModuleNotFoundError as error:
        lines = [
            f"this command needs the package {error.name}, which is not installed: run "
            "`pip install 'thaw[data,pipeline]'`"
        ]
    else:
        return
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    sys.exit(1)
