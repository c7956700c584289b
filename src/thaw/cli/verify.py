"""`thaw verify`: check bundle, outputs and cache against their recorded hashes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import typer

from thaw.cli.bundle import state, undamaged
from thaw.cli.output import AsJson, print_json
from thaw.errors import ThawError
from thaw.files import damage_explained
from thaw.paths import BUNDLE

CACHE = Path(".dvc/cache")  # of DVC, unless its settings say otherwise


def verify(json_: AsJson = False) -> None:
    """Hash the bundle, the outputs and DVC's cache again, and list what is damaged.

    Changes nothing. Exit code 1 if a file is missing or differs from its recorded hash.
    """
    bundle = state(str(BUNDLE))
    outputs, cache = _verify_outputs(), _verify_cache()
    damaged = [*([bundle["error"]] if bundle["error"] else []), *outputs["damaged"]]
    damaged += cache["damaged"]
    if json_:
        print_json({"bundle": bundle, "outputs": outputs, "cache": cache})
    else:
        _print(bundle, outputs, cache)
        for line in damaged:
            typer.echo(f"damaged: {line}")
    if damaged:
        raise ThawError(
            f"{len(damaged)} files differ from their recorded hashes: `dvc checkout --force` "
            "restores outputs from an undamaged cache, `dvc repro --force` makes everything again"
        )


def _print(bundle: dict[str, Any], outputs: dict[str, Any], cache: dict[str, Any]) -> None:
    """Print how much is undamaged."""
    if not bundle["error"]:
        typer.echo(undamaged(bundle))
    if outputs["n"] is not None:
        n = outputs["n"]
        typer.echo(f"outputs: {n - len(outputs['damaged'])} of {n} match dvc.lock")
    n = cache["n"]
    typer.echo(f"cache: {n - len(cache['damaged'])} of {n} objects are undamaged")


def _verify_outputs() -> dict[str, Any]:
    """The number of outputs, and those whose MD5 differs from dvc.lock; it may itself be damaged.

    Then the number is None.
    """
    import yaml

    try:
        with damage_explained("dvc.lock"):
            lock = yaml.load(Path("dvc.lock").read_text(encoding="utf-8"), yaml.CSafeLoader)
            entries = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
            outs = [(Path(out["path"]), out["md5"]) for out in entries]
    except ThawError as error:
        return {"n": None, "damaged": [str(error)]}
    return {"n": len(outs), "damaged": [str(path) for path, md5 in outs if _md5(path) != md5]}


def _verify_cache() -> dict[str, Any]:
    """The number of objects of the cache, and those whose MD5 differs from their name."""
    from dvc.config import Config

    cache = Path(Config(str(CACHE.parent))["cache"].get("dir", CACHE)) / "files/md5"
    objects = [path for path in cache.glob("??/*") if path.is_file()]
    damaged = [
        str(path)
        for path in objects
        if _file_md5(path) != path.parent.name + path.name.removesuffix(".dir")
    ]
    return {"n": len(objects), "damaged": damaged}


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
