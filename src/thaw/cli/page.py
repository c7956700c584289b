"""`thaw page`: the page in the browser."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from thaw.cli.images import Bundle, Published, followed
from thaw.cli.project import project_root
from thaw.errors import ThawError
from thaw.paths import BUNDLE
from thaw.serving.token import server_token

FOLDER = Path(__file__).parent.parent / "page"
MAX_MEGABYTES = 10  # of an upload

Host = Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is any.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port.")]


def page(
    bundle: Bundle = None,
    host: Host = "127.0.0.1",
    port: Port = 8501,
    published: Published = None,
) -> None:
    """Show a page in the browser: try images, compare experiments, see the data.

    It shows what is there: only a bundle, or an entire repository with its experiments. Without
    --host only this machine reaches it. With a token in the environment variable THAW_TOKEN its
    holders can train from the page. It needs no network, and writes no image to disk.

    Examples: `thaw page` · `thaw page --bundle pets.zip --port 8600`
    """
    if find_spec("streamlit") is None:
        raise ThawError(
            "this command needs the package streamlit, which is not installed: run "
            "`pip install 'thaw[page]'`"
        )
    server_token()  # so that one that is too short is told here
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.maxUploadSize": MAX_MEGABYTES,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "global.disableWidgetStateDuplicationWarning": "true",  # a button sets sliders back
        "theme.base": FOLDER / "theme.toml",
    }
    if bundle is not None and "://" not in bundle:
        bundle = str(Path(bundle).absolute())
    folder = followed(bundle, published)
    words = [bundle or BUNDLE, *([folder.absolute()] if folder else [])]
    os.chdir(project_root())
    command = [sys.executable, "-m", "streamlit", "run", FOLDER / "app.py"]
    command += [f"--{name}={value}" for name, value in options.items()]
    os.execv(sys.executable, [*map(str, command), "--", *map(str, words)])
