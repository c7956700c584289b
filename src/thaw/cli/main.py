"""The command `thaw`: its subcommands and its exit code."""

import os
import sys

import typer

from thaw.cli.bundle import app as bundle
from thaw.cli.compare import compare
from thaw.cli.keras_model import keras_model
from thaw.cli.label import label
from thaw.cli.page import page
from thaw.cli.predict import predict
from thaw.cli.project import project_root
from thaw.cli.publish import publish
from thaw.cli.serve import serve
from thaw.cli.sweep import sweep
from thaw.cli.use import use
from thaw.cli.verify import verify
from thaw.errors import ThawError
from thaw.files import storage_errors_explained

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Turn labelled images into an evaluated, explained classifier, reproducibly. "
    "`dvc repro` runs the pipeline; this command configures it and verifies its results.",
)
PATHS_FROM_HERE = ("predict", "label", "bundle", "serve", "page", "publish")  # they are given files


@app.callback()
def enter_project(context: typer.Context) -> None:
    """Change to the project's root, as DVC does, unless the command is given files."""
    if context.invoked_subcommand not in PATHS_FROM_HERE:
        os.chdir(project_root())


app.command()(use)
app.command()(sweep)
app.command()(compare)
app.command("keras")(keras_model)
app.command()(predict)
app.command()(label)
app.command()(serve)
app.command()(page)
app.command()(publish)
app.command()(verify)
app.add_typer(bundle, name="bundle")


def main() -> None:
    """Run the command. An error that the user can fix exits 1, in a line."""
    try:
        with storage_errors_explained():
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
