"""The command `thaw`."""

import difflib
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from thaw.errors import ThawError
from thaw.files import sha256_of, whole
from thaw.params import Params, build, check

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Turn labelled pictures into an evaluated, explained classifier, reproducibly. "
    "`dvc repro` runs the pipeline; this command sets it up and checks what it made.",
)
SETUPS = Path("setups")
PARAMS = Path("params.yaml")


@app.callback()
def main_help() -> None:
    """Keep `thaw use` a subcommand, whatever number of commands there are."""


@app.command()
def use(
    setup: Annotated[str, typer.Argument(help="A file of setups/, without its ending.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Further params, such as train.epochs=5.")
    ] = None,
) -> None:
    """Set params.yaml to a setup, and to the settings that follow, and print what changed.

    The setup alone decides the outcome, not what stood in params.yaml before: sample.yaml holds
    every key, the others what differs from it. Comments are kept. For local pictures data.sha256
    is filled in, and for a weights file base.sha256, so that DVC notices when they change.

    Examples: `thaw use sample` · `thaw use mobilenetv2 data.source=photos.zip
    base.weights=weights.h5` · `thaw use sample train.freeze_till=all`
    """
    from ruamel.yaml import YAML

    wanted = _overlay(_read_setup("sample"), _read_setup(setup))
    given = _parse(settings or [])
    for key, value in given.items():
        _set(wanted, key, value)
    _fill_sha256(wanted, given)
    check(build(Params, wanted))
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    if not PARAMS.is_file():
        raise ThawError(f"no {PARAMS} in {Path.cwd()}: run this from the project's folder")
    document = editor.load(PARAMS.read_text(encoding="utf-8"))
    old, new = _flat(yaml.safe_load(PARAMS.read_text(encoding="utf-8"))), _flat(wanted)
    changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
    for key, value in changed.items():
        *sections, last = key.split(".")
        place = document
        for section in sections:
            place = place[section]
        place[last] = _in_a_line(value)
        typer.echo(f"{key}: {_shown(old.get(key))} → {_shown(value)}")
    if not changed:
        typer.echo("nothing changed")
        return
    stream = io.StringIO()
    editor.representer.add_representer(float, _plain_float)
    editor.representer.add_representer(type(None), _plain_null)
    editor.dump(document, stream)
    with whole(PARAMS) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")


def _read_setup(name: str) -> dict[str, Any]:
    path = SETUPS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in SETUPS.glob("*.yaml"))) or "none here"
        raise ThawError(f"a setup must be one of: {known}; not {name!r}")
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The sections of `below` with the keys of `above` in them; both are two levels deep."""
    merged = {
        key: dict(value) if isinstance(value, dict) else value for key, value in below.items()
    }
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] |= value
        else:
            merged[key] = value
    return merged


def _parse(settings: list[str]) -> dict[str, Any]:
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting!r} must be key=value, such as train.epochs=5")
        parsed[key] = yaml.safe_load(value)
    return parsed


def _set(params: dict[str, Any], key: str, value: Any) -> None:
    known = _flat(params)
    if key not in known:
        near = difflib.get_close_matches(key, known, n=3) or sorted(known)
        raise ThawError(f"{key} is not a parameter; did you mean {', '.join(near)}?")
    section, _, name = key.rpartition(".")
    (params[section] if section else params)[name] = value


def _flat(params: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def _fill_sha256(params: dict[str, Any], given: dict[str, Any]) -> None:
    source = params["data"]["source"]
    local = isinstance(source, str) and source != "sample" and "://" not in source
    if local and "data.sha256" not in given:
        from thaw.data.source import source_sha256

        params["data"]["sha256"] = source_sha256(source)
    weights = params["base"]["weights"]
    named = weights in ("sample", "imagenet", "none")
    if isinstance(weights, str) and not named and "base.sha256" not in given:
        if not Path(weights).is_file():
            raise ThawError(
                "base.weights must be sample, imagenet, none or a file, but there is no "
                f"{weights}: check its path, from {Path.cwd()}"
            )
        params["base"]["sha256"] = sha256_of(weights)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _in_a_line(value: Any) -> Any:
    """Lists and mappings as the written params have them: [32], {Cat: 1}."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, (list, dict)):
        kept = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
        kept.fa.set_flow_style()
        return kept
    return value


def _plain_null(representer: Any, value: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _plain_float(representer: Any, value: float) -> Any:
    """Write floats so that YAML 1.1 and 1.2 read the same: 0.00001, never 1e-05."""
    text = f"{value:.15f}".rstrip("0")
    text = text + "0" if text.endswith(".") else text
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


@app.command()
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
    from thaw.serving.predictor import check_bundle

    bundle = Path("models/bundle")
    try:
        manifest = check_bundle(bundle)
    except ThawError as problem:
        return [str(problem)]
    typer.echo(f"bundle: {len(manifest['sha256'])} parts are whole")
    return []


def _verify_outputs() -> list[str]:
    """Outputs whose MD5 is not the one in dvc.lock."""
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
    objects = [path for path in Path(".dvc/cache/files/md5").glob("??/*") if path.is_file()]
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
    """A file's MD5, or a folder's as DVC reckons it: of the JSON list of its files."""
    if path.is_dir():
        listing = [
            {"md5": _file_md5(file), "relpath": file.relative_to(path).as_posix()}
            for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).parts)
            if file.is_file()
        ]
        return f"{hashlib.md5(json.dumps(listing).encode()).hexdigest()}.dir"
    return _file_md5(path) if path.is_file() else None


def main() -> None:
    """Run the command; a mistake of the user ends it with one line and exit code 1."""
    try:
        app()
    except ThawError as problem:
        typer.echo(f"error: {problem}", err=True)
        sys.exit(1)
