"""`thaw bundle`: what a bundle is, whether it is undamaged, and a zip of it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from thaw.bundle import (
    LABELS,
    MANIFEST,
    METRICS,
    MODEL,
    SEEN,
    bundle_sha256,
    format_of,
)
from thaw.bundle_source import open_bundle
from thaw.bundle_zip import pack as write_zip
from thaw.cli.output import AsJson, note, print_json
from thaw.errors import ThawError, listing
from thaw.files import read_json, sha256_of
from thaw.paths import BUNDLE, BUNDLE_METRICS

bundle = typer.Typer(
    no_args_is_help=True,
    help="What a bundle is, whether it is undamaged, and a zip of it. A bundle is a folder, a "
    "zip of one, or an address such as s3://bucket/bundle.zip, for which thaw[s3] must be "
    "installed.",
)
Address = Annotated[
    str, typer.Argument(metavar="[BUNDLE]", help="A folder, a zip, or an address of either.")
]


@bundle.command()
def info(address: Address = str(BUNDLE), json_: AsJson = False) -> None:
    """Print what a bundle is, how it was trained and calibrated, and its metrics on test.

    Its hashes are checked first. Metrics are shown if they are of this very bundle: those that
    were packed with it, or those of this repository.

    Examples: `thaw bundle info` · `thaw bundle info bundle.zip --json`
    """
    with open_bundle(address) as folder:
        manifest = read_json(folder / MANIFEST)
        path = _find_metrics(folder, manifest)
        metrics = _read_metrics(path)["metrics"] if path else None
        parts = [folder / name for name in (MODEL, LABELS, SEEN, MANIFEST)]
        size = sum(part.stat().st_size for part in parts if part.is_file())
        seen = len((folder / SEEN).read_text().split()) if (folder / SEEN).is_file() else None
    if json_:
        known = {"address": address, "sha256": bundle_sha256(manifest), "bytes": size}
        known |= {"images_seen": seen, "metrics": metrics}
        print_json(known | {"manifest": manifest | {"format": format_of(manifest)}})
        return
    rows = {
        "size": f"{size / 1e6:,.1f} MB, format {format_of(manifest)}",
        "sha256": bundle_sha256(manifest),
        **_what(manifest, seen),
        **_answers(manifest),
        "on test": _shown(metrics or {}) or "not known here",
    }
    typer.echo("\n".join([address, *(f"  {title:12}  {text}" for title, text in rows.items())]))
