"""`thaw verify`: whether what the pipeline made is still what it recorded."""

import hashlib
import json
from pathlib import Path

import typer

from thaw.bundle import check_bundle
from thaw.errors import ThawError
from thaw.paths import BUNDLE

CACHE = Path(".dvc/cache/files/md5")


def verify() -> None:
    """Hash the bundle, the outputs and DVC's cache again, and name whatever is damaged.

    Nothing is changed. Exit code 1 when something is missing or is not what its record says.
    """
    damage = [*_verify_bundle(), *_verify_outputs(), *_verify_cache()]
    for line in damage:
        typer.echo(f"damaged: {line}")
    if damage:
        raise ThawError(
            f"{len(damage)} files are not what was recorded: `dvc checkout --force` restores "
            "outputs from a whole cache, `dvc repro --force` makes everything again"
        )


def _verify_bundle() -> list[str]:
    try:
        manifest = check_bundle(BUNDLE)
    except ThawError as problem:
        return [str(problem)]
    typer.echo(f"bundle: {len(manifest['sha256'])} parts are whole")
    return []


def _verify_outputs() -> list[str]:
    """Outputs whose MD5 is not the one in dvc.lock."""
    import yaml

    lock = Path("dvc.lock")
    if not lock.is_file():
        return ["dvc.lock is missing: run `dvc repro`"]
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    wrong = [out["path"] for out in outs if _md5(Path(out["path"])) != out["md5"]]
    typer.echo(f"outputs: {len(outs) - len(wrong)} of {len(outs)} are as dvc.lock records")
    return wrong


def _verify_cache() -> list[str]:
    """Objects of the cache whose content is not what their name says."""
    objects = [path for path in CACHE.glob("??/*") if path.is_file()]
    wrong = [
        str(path)
        for path in objects
        if _file_md5(path) != path.parent.name + path.name.removesuffix(".dir")
    ]
    typer.echo(f"cache: {len(objects) - len(wrong)} of {len(objects)} objects are whole")
    return wrong


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _md5(path: Path) -> str | None:
    """A file's MD5, or a folder's as DVC computes it: of the JSON list of its files."""
    if path.is_dir():
        listing = [
            {"md5": _file_md5(file), "relpath": file.relative_to(path).as_posix()}
            for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).parts)
            if file.is_file()
        ]
        return f"{hashlib.md5(json.dumps(listing).encode()).hexdigest()}.dir"
    return _file_md5(path) if path.is_file() else None
