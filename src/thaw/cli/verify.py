"""`thaw verify`: check bundle, outputs and cache against their recorded hashes."""

import hashlib
import json
from pathlib import Path

import typer

from thaw.bundle import check_bundle
from thaw.errors import ThawError
from thaw.files import damage_explained
from thaw.paths import BUNDLE

CACHE = Path(".dvc/cache/files/md5")


def verify() -> None:
    """Hash the bundle, the outputs and DVC's cache again, and list what is damaged.

    Changes nothing. Exit code 1 if a file is missing or differs from its recorded hash.
    """
    damaged = [*_verify_bundle(), *_verify_outputs(), *_verify_cache()]
    for line in damaged:
        typer.echo(f"damaged: {line}")
    if damaged:
        raise ThawError(
            f"{len(damaged)} files differ from their recorded hashes: `dvc checkout --force` "
            "restores outputs from an undamaged cache, `dvc repro --force` makes everything again"
        )


def _verify_bundle() -> list[str]:
    try:
        manifest = check_bundle(BUNDLE)
    except ThawError as error:
        return [str(error)]
    typer.echo(f"bundle: {len(manifest['sha256'])} parts are undamaged")
    return []


def _verify_outputs() -> list[str]:
    """Return the outputs whose MD5 differs from dvc.lock."""
    import yaml

    try:
        with damage_explained("dvc.lock"):
            lock = yaml.load(Path("dvc.lock").read_text(encoding="utf-8"), yaml.CSafeLoader)
            entries = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
            outs = [(Path(out["path"]), out["md5"]) for out in entries]
    except ThawError as error:
        return [str(error)]
    damaged = [str(path) for path, md5 in outs if _md5(path) != md5]
    typer.echo(f"outputs: {len(outs) - len(damaged)} of {len(outs)} match dvc.lock")
    return damaged


def _verify_cache() -> list[str]:
    """Return the objects of the cache whose MD5 differs from their name."""
    objects = [path for path in CACHE.glob("??/*") if path.is_file()]
    damaged = [
        str(path)
        for path in objects
        if _file_md5(path) != path.parent.name + path.name.removesuffix(".dir")
    ]
    typer.echo(f"cache: {len(objects) - len(damaged)} of {len(objects)} objects are undamaged")
    return damaged


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _md5(path: Path) -> str | None:
    """MD5 of a file, or of a folder as DVC computes it: of the JSON list of its files."""
    if path.is_dir():
        listing = [
            {"md5": _file_md5(file), "relpath": file.relative_to(path).as_posix()}
            for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).parts)
            if file.is_file()
        ]
        return f"{hashlib.md5(json.dumps(listing).encode()).hexdigest()}.dir"
    return _file_md5(path) if path.is_file() else None
