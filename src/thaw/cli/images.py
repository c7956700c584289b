"""What commands that take images have in common: their paths, their bundle, and how they end."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thaw.cli.output import note
from thaw.cli.project import from_here
from thaw.errors import ThawError
from thaw.files import storage_errors_explained
from thaw.paths import BUNDLE, PUBLISHED

if TYPE_CHECKING:
    from thaw.serving.predictor import Predictor

WRONG_USE, STOPPED = 2, 130  # exit codes
FROM_STDIN = "-"

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Images, folders, archives or globs; - reads paths, a line each, from stdin.",
    ),
]
Bundle = Annotated[
    str | None,
    typer.Option(
        help="The bundle that predicts: a folder, a zip or an address.",
        show_default="models/bundle of the project",
    ),
]
Published = Annotated[
    Path | None,
    typer.Option(
        help="The folder of `thaw publish`; what is published there answers, at once.",
        show_default="models/published of the project, unless --bundle is given",
    ),
]


def followed(bundle: str | None, published: Path | None) -> Path | None:
    """The folder of published bundles that a server follows; none if it was given a bundle only."""
    return from_here(PUBLISHED) if bundle is None and published is None else published


def open_predictor(bundle: str | None) -> "Predictor":
    """The predictor of a bundle, by default of the project's, which runs on all cores."""
    from thaw.parallel import cores
    from thaw.serving.predictor import Predictor

    return Predictor(from_here(BUNDLE) if bundle is None else bundle, cores())


def expanded(paths: list[str]) -> Iterator[Path]:
    """The files and folders that the words of a command name.

    Raises ThawError for one that names none; what stdin names is not looked at.
    """
    from thaw.data.image_paths import expand

    for path in paths:
        if path == FROM_STDIN:
            yield from (Path(line) for line in sys.stdin.read().splitlines() if line)
        elif found := expand(path):
            yield from found
        else:
            raise ThawError(f"{path} does not exist; paths start from {Path.cwd()}: correct it")


def no_images(paths: list[str]) -> ThawError:
    """The error of a command whose paths hold no image."""
    return ThawError(f"PATH must hold images, but {', '.join(paths)} holds none: correct it")


@contextmanager
def errors_exit() -> Iterator[None]:
    """Exit with WRONG_USE on what the user can mend, and with STOPPED on Ctrl-C; both in a line."""
    try:
        # Pillow warns about odd metadata; what matters is in the results.
        with storage_errors_explained(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ThawError as error:
        note(f"error: {error}")
        raise typer.Exit(WRONG_USE) from None
    except ModuleNotFoundError as error:
        note(
            f"error: this needs the package {error.name}, which is not installed: run `pip install "
            "'thaw[evaluate]'`"
        )
        raise typer.Exit(WRONG_USE) from None
    except KeyboardInterrupt:
        note("stopped")
        raise typer.Exit(STOPPED) from None
