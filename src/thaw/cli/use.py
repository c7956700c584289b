"""`thaw use`: write a setup and given params into params.yaml."""

import copy
import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thaw.errors import ThawError
from thaw.files import atomic_write, sha256_of

if TYPE_CHECKING:
    from thaw.params import Params

SETUPS = Path("setups")
PARAMS = Path("params.yaml")


def use(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[SETUP] [KEY=VALUE]...",
            help="Name of a file in setups/, without .yaml, and params, such as seed=1.",
        ),
    ],
) -> None:
    """Write a setup, or single params, into params.yaml, and print what changed.

    Without a setup only the given keys change. A setup replaces all of params.yaml: sample.yaml
    has every key, the other setups only what differs from it. Comments are preserved. A local
    source goes into data.watch, a local table into data.watch_table, and the hash of a weights
    file into base.sha256, so that DVC notices when they change.

    Examples: `thaw use train.freeze_till=all` · `thaw use sample` · `thaw use mobilenetv2
    data.source=photos.zip base.weights=weights.h5`
    """
    from thaw.params import read_yaml, validate

    setup = None if "=" in words[0] else words[0]
    given = _parse(words[1:] if setup else words)
    before = read_yaml(PARAMS)
    before = before if isinstance(before, dict) else {}
    wanted = _wanted(setup, given, before)
    _fill_watch(wanted, setup, given)
    _fill_sha256(wanted, validate(wanted), setup, given)
    old, new = _flat(before), _flat(wanted)
    changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
    removed = [key for key in old if key not in new]
    if changed or removed:
        _write(wanted, changed)
    _report(setup, old, changed, removed)


def _report(
    setup: str | None, old: dict[str, Any], changed: dict[str, Any], removed: list[str]
) -> None:
    if setup:
        typer.echo(f"params.yaml is now the setup {setup}; earlier settings are not kept")
    for key, value in changed.items():
        typer.echo(f"{key}: {_shown(old.get(key))} → {_shown(value)}")
    for key in removed:
        typer.echo(f"{key}: {_shown(old[key])} → removed, it is not a parameter")
    if not changed and not removed:
        typer.echo("nothing changed")


def _parse(settings: list[str]) -> dict[str, Any]:
    """Parse key=value settings; the values are YAML."""
    from ruamel.yaml.error import YAMLError

    from thaw.params import parse_yaml

    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"{setting!r} must be key=value, such as train.fine_tune_epochs=5"
            )
        try:
            parsed[key] = parse_yaml(value)
        except (YAMLError, ValueError):
            raise ThawError(f"the value of {key} must be valid YAML, but is {value!r}") from None
    return parsed


def _wanted(setup: str | None, given: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Merge the setup, or the params `before`, and the given settings, which take precedence."""
    wanted = _read_setup("sample") if setup else copy.deepcopy(before)
    for section, values in (_read_setup(setup) if setup else {}).items():
        if isinstance(values, dict) and isinstance(wanted.get(section), dict):
            wanted[section] |= values
        else:
            wanted[section] = values
    for key, value in given.items():
        section, dot, name = key.partition(".")
        if dot and isinstance(wanted.get(section), dict):
            wanted[section][name] = value
        else:  # not a parameter; validation reports the full key
            wanted[key] = value
    return wanted


def _read_setup(name: str) -> dict[str, Any]:
    from thaw.params import read_yaml

    path = SETUPS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in SETUPS.glob("*.yaml"))) or "none"
        raise ThawError(f"a setup must be one of {known}, but is {name!r}")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ThawError(f"{path} must be a mapping of keys to values, but is {values!r}")
    return values


def _fill_watch(wanted: dict[str, Any], setup: str | None, given: dict[str, Any]) -> None:
    """Let DVC watch a local source and a local table; drop the hash of an earlier source.

    Values given stay.
    """
    from thaw.params import is_local, local_path

    data = wanted.get("data")
    if not isinstance(data, dict):
        return
    for key, watch in (("source", "watch"), ("table", "watch_table")):
        if f"data.{watch}" in given or not (setup or f"data.{key}" in given):
            continue
        value = data.get(key)
        is_here = is_local if key == "source" else lambda path: os.path.isfile(local_path(path))
        if isinstance(value, str) and is_here(value):
            data[watch] = str(local_path(value))  # DVC does not expand the home folder
        else:
            data[watch] = _read_setup("sample")["data"][watch]
    if "data.source" in given and "data.sha256" not in given and not setup:
        data["sha256"] = None


def _fill_sha256(
    wanted: dict[str, Any], params: "Params", setup: str | None, given: dict[str, Any]
) -> None:
    """Fill in the hash of a new weights file, unless given.

    Raises ThawError if the source or the weights file is missing.
    """
    params.data.local_source()
    weights = params.base.weights_file()
    if "base.sha256" not in given and (setup or "base.weights" in given):
        wanted["base"]["sha256"] = sha256_of(weights) if weights else None


def _flat(params: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict) and value:
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def _write(wanted: dict[str, Any], changed: dict[str, Any]) -> None:
    """Write the changed values into params.yaml, and delete other keys; preserve comments."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.representer.add_representer(float, _plain_float)
    editor.representer.add_representer(type(None), _plain_null)
    document = editor.load(PARAMS.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        document = CommentedMap()
    _prune(document, wanted)
    for key, value in changed.items():
        section, _, name = key.rpartition(".")
        parent = document.setdefault(section, CommentedMap()) if section else document
        parent[name] = _flow_style(value)
    stream = io.StringIO()
    editor.dump(document, stream)
    with atomic_write(PARAMS) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")


def _prune(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Delete keys that `wanted` does not have."""
    for key, value in list(document.items()):
        new = wanted.get(key)
        if key not in wanted or isinstance(value, dict) != isinstance(new, dict):
            del document[key]
        elif isinstance(new, dict):
            for name in [name for name in value if name not in new]:
                del value[name]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _flow_style(value: Any) -> Any:
    """Write lists and mappings in one line: [32], {Cat: 1}."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, (list, dict)):
        node = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
        node.fa.set_flow_style()
        return node
    return value


def _plain_null(representer: Any, value: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _plain_float(representer: Any, value: float) -> Any:
    """Write 0.00001, not 1e-05, so that YAML 1.1 and 1.2 parsers agree."""
    text = f"{Decimal(repr(value)):f}"
    text = text if "." in text else f"{text}.0"
    return representer.represent_scalar("tag:yaml.org,2002:float", text)
