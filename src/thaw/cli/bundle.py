"""`thaw bundle`: what a bundle is, whether it is undamaged, and a zip of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from thaw.bundle import LABELS, MANIFEST, METRICS, MODEL, SEEN, bundle_sha256, format_of
from thaw.bundle_source import open_bundle
from thaw.bundle_zip import pack as write_zip
from thaw.cli.output import AsJson, note, print_json
from thaw.cli.project import from_here
from thaw.errors import ThawError, listing
from thaw.files import read_json, sha256_of
from thaw.paths import BUNDLE, BUNDLE_METRICS

HELP = (
    "What a bundle is, whether it is undamaged, and a zip of it. A bundle is a folder, a zip, or "
    "an address of either, such as s3://bucket/bundle.zip."
)
NOT_RECORDED = "not recorded"
Address = Annotated[
    str | None,
    typer.Argument(
        metavar="BUNDLE",
        help="A folder, a zip, or an address of either.",
        show_default="models/bundle of the project",
    ),
]

app = typer.Typer(no_args_is_help=True, help=HELP)


@app.command()
def info(address: Address = None, json_: AsJson = False) -> None:
    """Print what a bundle is, how it was trained and calibrated, and its metrics on test.

    Its hashes are checked first. The metrics are those of this very bundle, which were packed with
    it, or which this repository computed.

    Examples: `thaw bundle info` · `thaw bundle info bundle.zip --json`
    """
    address = address or str(from_here(BUNDLE))
    with open_bundle(address) as folder:
        manifest = read_json(folder / MANIFEST)
        parts = [folder / name for name in (MANIFEST, LABELS, MODEL, SEEN)]
        described = {
            "address": address,
            "sha256": bundle_sha256(manifest),
            "bytes": sum(part.stat().st_size for part in parts if part.is_file()),
            "images_seen": _count_seen(folder),
            "manifest": {"format": format_of(manifest), **manifest},
            "metrics": _metrics(folder, manifest)[1],
        }
    if json_:
        print_json(described)
    else:
        rows = [f"  {title:<14}{text}" for title, text in _rows(described)]
        typer.echo("\n".join([address, *rows]))


@app.command()
def verify(address: Address = None, json_: AsJson = False) -> None:
    """Hash the parts of a bundle again. Exit code 1 if one is missing or damaged.

    `thaw verify` hashes this repository's outputs and cache, too.
    """
    found = state(address or str(from_here(BUNDLE)))
    if json_:
        print_json(found)
    if found["error"]:
        raise ThawError(found["error"])
    if not json_:
        typer.echo(undamaged(found))


@app.command()
def pack(
    address: Address = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", dir_okay=False, help="The zip to write.")
    ] = Path("bundle.zip"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the zip.")] = False,
    json_: AsJson = False,
) -> None:
    """Pack a bundle into a zip, with its metrics on test, if they are known.

    The same bundle and metrics give the same bytes. What else is in the folder stays out.

    Examples: `thaw bundle pack` · `thaw bundle pack models/bundle -o pets.zip`
    """
    if output.exists() and not force:
        raise ThawError(f"{output} must not exist, but does: give another -o, or --force")
    with open_bundle(address or from_here(BUNDLE)) as folder:
        manifest = read_json(folder / MANIFEST)
        metrics, _ = _metrics(folder, manifest)
        write_zip(folder, metrics, output)
    note(f"{output} is written, {'with' if metrics else 'without'} metrics on test")
    if json_:
        size, sha256 = output.stat().st_size, sha256_of(output)
        known = {"path": str(output), "bytes": size, "sha256": sha256}
        print_json(known | {"bundle": bundle_sha256(manifest), "has_metrics": metrics is not None})


def state(address: str) -> dict[str, Any]:
    """Whether a bundle is undamaged: its hash and number of parts, or else the error."""
    try:
        with open_bundle(address) as folder:
            manifest = read_json(folder / MANIFEST)
    except ThawError as error:
        return {"address": address, "sha256": None, "parts": None, "error": str(error)}
    known = {"address": address, "sha256": bundle_sha256(manifest)}
    return known | {"parts": len(manifest["sha256"]), "error": None}


def undamaged(found: dict[str, Any]) -> str:
    """The line for a `state` without error."""
    return f"bundle: {found['parts']} parts are undamaged"


def _metrics(folder: Path, manifest: dict[str, Any]) -> tuple[Path | None, dict[str, Any] | None]:
    """The file of the metrics of this very bundle, and these; None if they are not known."""
    for path in (folder / METRICS, from_here(BUNDLE_METRICS)):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["bundle"] == bundle_sha256(manifest):
                return path, dict(found["metrics"])
        except (OSError, ValueError, LookupError, TypeError):  # it is not there, or another's
            continue
    return None, None


def _count_seen(folder: Path) -> int | None:
    """The images that were trained and chosen on; None if a bundle of format 0 does not say."""
    path = folder / SEEN
    return len(path.read_text(encoding="utf-8").split()) if path.is_file() else None


def _rows(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is printed, with titles."""
    manifest = described["manifest"]
    labels, side = manifest["labels"], manifest["image_size"]
    yield "classes", f"{len(labels)}: {listing(map(str, labels))}"
    yield "base", f"{manifest.get('base', NOT_RECORDED)}, {manifest['precision']}"
    resize = manifest.get("resize", "squash")
    yield "images", f"{side} × {side} pixels, resize {resize}"
    yield "trained", _trained(manifest, described["images_seen"])
    yield "training", _listed(manifest.get("training"))
    yield "temperature", str(manifest.get("temperature", NOT_RECORDED))
    yield "decision", _listed(manifest.get("decision"))
    yield "fitted on", _listed(manifest.get("fitted_on"))
    yield "unknown", _listed(manifest.get("unknown"))
    yield "on test", _listed(described["metrics"])
    yield "size", f"{described['bytes'] / 1e6:,.1f} MB, format {manifest['format']}"
    yield "sha256", described["sha256"]


def _trained(manifest: dict[str, Any], images: int | None) -> str:
    """How much of the network was trained, and how many images it has seen."""
    frozen, parameters = manifest.get("freeze_till"), manifest.get("trainable_parameters")
    if frozen is None or parameters is None:
        return NOT_RECORDED
    seen = f"; {images:,} images trained or chosen on" if images else ""
    return f"{parameters:,} parameters{seen}; the first {frozen} layers of the base frozen"


def _listed(values: Any) -> str:
    """The values of a mapping, each after its name; what is null is left out."""
    if not values or not isinstance(values, dict):
        return NOT_RECORDED
    known = {key: value for key, value in values.items() if value is not None}
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in known.items()
    )
