"""`thaw serve`: prediction over HTTP."""

import logging
import os
import warnings
from typing import Annotated

import typer

from thaw.cli.images import Bundle
from thaw.cli.project import from_here
from thaw.errors import ThawError
from thaw.paths import BUNDLE

TOKEN = "THAW_TOKEN"  # not an option: the list of processes shows those
SHORTEST_TOKEN = 16  # characters

Host = Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is any.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 is any free one.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A name by which clients call the server. Repeatable."),
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="A site whose scripts may call the server. Repeatable."),
]


def serve(
    bundle: Bundle = None,
    host: Host = "127.0.0.1",
    port: Port = 5001,
    allow_host: AllowHost = None,
    allow_origin: AllowOrigin = None,
) -> None:
    """Answer images over HTTP with a bundle: a page with a form, and a JSON API.

    The page is at /, the description of the API at /docs. Without --host only this machine reaches
    it. Training over HTTP needs a token in the environment variable THAW_TOKEN. The log, a JSON
    object a line, goes to stderr. SIGTERM ends it once all requests are answered.

    Examples: `thaw serve` · `thaw serve --bundle pets.zip --host 0.0.0.0 --allow-host pets.example`
    """
    try:
        from thaw.serving.app import create_app
        from thaw.serving.published import LiveBundle
        from thaw.serving.server import serve as serve_app
        from thaw.serving.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise ThawError(
            f"this command needs the package {error.name}, which is not installed: run "
            "`pip install 'thaw[serve]'`"
        ) from None
    settings = ServeSettings(
        host, port, tuple(allow_host or ()), tuple(allow_origin or ()), token=_token()
    )
    log_json()
    live = LiveBundle(from_here(BUNDLE) if bundle is None else bundle)
    serve_app(create_app(live, settings), settings)


def _token() -> str | None:
    token = os.environ.get(TOKEN)
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ThawError(
            f"{TOKEN} must have {SHORTEST_TOKEN} characters or more, but has {len(token)}: make "
            "one with `openssl rand -hex 32`, or unset it"
        )
    return token


def log_json() -> None:
    """Let this process log JSON lines to stderr."""
    from thaw.serving.observability import JsonLines

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("thaw").setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # the metrics count the queue
    warnings.simplefilter("ignore")  # Pillow's, about odd metadata
