"""`thaw serve`: prediction over HTTP."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thaw.cli.images import Bundle, Published, followed
from thaw.cli.project import from_here, project_root
from thaw.errors import ThawError
from thaw.paths import BUNDLE, PUBLISHED
from thaw.serving.token import TOKEN, server_token

if TYPE_CHECKING:
    from flask import Blueprint

    from thaw.serving.published import LiveBundle

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
FeedbackTo = Annotated[
    Path | None,
    typer.Option("--feedback", metavar="DIR", help="Take right labels into DIR/relabel.csv."),
]
KeepImages = Annotated[
    bool, typer.Option("--keep-images", help="With --feedback: also keep images, in DIR/images.")
]


def serve(  # noqa: PLR0913, each is an option
    bundle: Bundle = None,
    host: Host = "127.0.0.1",
    port: Port = 5001,
    allow_host: AllowHost = None,
    allow_origin: AllowOrigin = None,
    published: Published = None,
    feedback: FeedbackTo = None,
    keep_images: KeepImages = False,
) -> None:
    """Answer images over HTTP with a bundle: a page with a form, and a JSON API.

    The page is at /, the description of the API at /docs. Without --host only this machine reaches
    it. With a token in the environment variable THAW_TOKEN its holders can train, and give feedback
    if that is switched on. What is published is taken up without losing a request. The log, a JSON
    object a line, goes to stderr. SIGTERM ends it once all requests are answered.

    Examples: `thaw serve` · `thaw serve --bundle pets.zip --host 0.0.0.0 --allow-host pets.example`
    """
    try:
        from thaw.serving.app import create_app
        from thaw.serving.published import LiveBundle
        from thaw.serving.server import few_arenas
        from thaw.serving.server import serve as serve_app
        from thaw.serving.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise ThawError(
            f"this command needs the package {error.name}, which is not installed: run "
            "`pip install 'thaw[serve]'`"
        ) from None
    settings = ServeSettings(
        host, port, tuple(allow_host or ()), tuple(allow_origin or ()), token=server_token()
    )
    log_json()
    few_arenas()
    address = from_here(BUNDLE) if bundle is None else bundle
    live = LiveBundle(address, followed(bundle, published))
    images = feedback / "images" if feedback and keep_images else None
    routes = _routes(live, settings.token, published or from_here(PUBLISHED), feedback, images)
    serve_app(create_app(live, settings, routes), settings)


def _routes(
    live: "LiveBundle",
    token: str | None,
    published: Path,
    feedback: Path | None,
    images: Path | None,
) -> "list[Blueprint]":
    """The routes for the holder of the token; none without. Training needs a repository."""
    from thaw.serving.feedback import feedback_blueprint
    from thaw.serving.jobs import Jobs
    from thaw.serving.training_routes import training_blueprint, training_page

    if token is None:
        if feedback:
            raise ThawError(f"--feedback needs a token: set the environment variable {TOKEN}")
        return []
    routes = []
    if (root := project_root() / "dvc.yaml").exists():
        routes += [training_blueprint(Jobs(root.parent, published), token), training_page()]
    if feedback:
        routes.append(feedback_blueprint(live, token, feedback / "relabel.csv", images))
    return routes


def log_json() -> None:
    """Let this process log JSON lines to stderr."""
    from thaw.serving.observability import JsonLines

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("thaw").setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # the metrics count the queue
    warnings.simplefilter("ignore")  # Pillow's, about odd metadata
