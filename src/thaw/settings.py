"""Set params: merge a setup and given settings, and edit the text of params.yaml."""

import copy
import io
import json
import os
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from thaw.errors import ThawError
from thaw.files import sha256_of
from thaw.params import (
    Params,
    Section,
    is_local,
    is_url,
    local_path,
    local_unknown,
    parse_yaml,
    read_yaml,
    validate,
)

SETUPS = Path("setups")
# Hydra reads other names, such as numbers and null, as something else, or refuses them.
OVERRIDE_NAME = re.compile(
    r"(?!(?:true|false|null|nan|inf)$)[a-z_](?:[\w .+-]*[\w.+-])?", re.ASCII | re.IGNORECASE
)


def parse_value(key: str, text: str) -> Any:
    """Parse the value of a setting, which is YAML. ThawError if it is not."""
    try:
        return parse_yaml(text)
    except ValueError:
        raise ThawError(f"the value of {key} must be valid YAML, but is {text!r}") from None


def merge(
    before: dict[str, Any], given: dict[str, Any], setup: str | None = None
) -> dict[str, Any]:
    """Merge the setup, or the params `before`, and the given settings, which take precedence.

    Local files and folders of the data are watched, and the hash of new weights is filled in.
    Raises ThawError if the result is not valid, or one of these is missing.
    """
    wanted = _wanted(setup, given, before)
    _fill_watch(wanted, setup, given)
    _fill_sha256(wanted, validate(wanted), setup, given)
    return wanted


def changes(before: dict[str, Any], wanted: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values that are new or others, by full key, and the keys that are gone."""
    old, new = flat(before), flat(wanted)
    changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
    return changed, [key for key in old if key not in new]


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
    path = SETUPS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in SETUPS.glob("*.yaml"))) or "none"
        raise ThawError(f"a setup must be one of {known}, but is {name!r}")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ThawError(f"{path} must be a mapping of keys to values, but is {values!r}")
    return values


def _fill_watch(wanted: dict[str, Any], setup: str | None, given: dict[str, Any]) -> None:
    """Let DVC watch the local files and folders of the data; drop the hash of an earlier source.

    Values given stay.
    """
    data = wanted.get("data")
    if not isinstance(data, dict):
        return
    for key, watch, is_here in (
        ("source", "watch", is_local),
        ("table", "watch_table", lambda path: os.path.isfile(local_path(path))),
        ("relabel", "watch_relabel", lambda path: not is_url(path)),
        ("unknown", "watch_unknown", lambda path: not is_url(path)),
    ):
        if f"data.{watch}" in given or not (setup or f"data.{key}" in given):
            continue
        value = data.get(key)
        if isinstance(value, str) and is_here(value):
            data[watch] = str(local_path(value))  # DVC does not expand the home folder
        else:
            data[watch] = _read_setup("sample")["data"][watch]
    if "data.source" in given and "data.sha256" not in given and not setup:
        data["sha256"] = None


def _fill_sha256(
    wanted: dict[str, Any], params: Params, setup: str | None, given: dict[str, Any]
) -> None:
    """Fill in the hash of a new weights file, unless given.

    Raises ThawError if that, or a file or folder of the data, is missing.
    """
    params.data.local_source()
    params.data.relabel_file()
    if params.data.unknown:
        local_unknown(params.data.unknown)
    weights = params.base.weights_file()
    if "base.sha256" not in given and (setup or "base.weights" in given):
        wanted["base"]["sha256"] = sha256_of(weights) if weights else None


def flat(params: dict[str, Any]) -> dict[str, Any]:
    """The params by full key, such as train.dropout."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict) and value:
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def edit(text: str, wanted: dict[str, Any], changed: dict[str, Any]) -> str:
    """Return the text of params.yaml with the changed values and only wanted keys.

    Comments are preserved.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.representer.add_representer(float, _plain_float)
    editor.representer.add_representer(type(None), _plain_null)
    document = editor.load(text)
    if not isinstance(document, dict):
        document = CommentedMap()
    _prune(document, wanted)
    for key, value in changed.items():
        section, _, name = key.rpartition(".")
        parent = document.setdefault(section, CommentedMap()) if section else document
        parent[name] = _flow_style(value)
    stream = io.StringIO()
    editor.dump(document, stream)
    return stream.getvalue()


def changed_lines(changed: dict[str, Any]) -> str:
    """The changed values, by full key, as the lines of a params.yaml that has only them."""
    return edit("", {}, changed)


def exp_run(changed: dict[str, Any]) -> str | None:
    """The command that runs an experiment with the changed values, by full key, for a shell.

    Values are numbers, truth values, and mappings of names to numbers, to which DVC adds: what
    params.yaml has there stays. None if a name is one that an override of Hydra, which `-S` takes,
    cannot be sure to express.
    """
    names = [name for value in changed.values() if isinstance(value, dict) for name in value]
    if not all(map(OVERRIDE_NAME.fullmatch, names)):
        return None
    settings = (f"-S {shlex.quote(_override(key, value))}" for key, value in changed.items())
    return " ".join(["dvc exp run", *settings])


def _override(key: str, value: Any) -> str:
    """A setting in Hydra's grammar; without the plus signs it would refuse new names."""
    if not isinstance(value, dict):
        return f"{key}={json.dumps(value)}"
    items = (name.replace(" ", r"\ ") + f": {number}" for name, number in value.items())
    return f"++{key}={{{', '.join(items)}}}"


def bounds(section: type[Section], name: str) -> tuple[float, float]:
    """The least and the greatest value of a number in a section of params.yaml."""
    schema = section.model_json_schema()["properties"][name]
    return schema["minimum"], schema["maximum"]


def _prune(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Delete keys that `wanted` does not have."""
    for key, value in list(document.items()):
        new = wanted.get(key)
        if key not in wanted or isinstance(value, dict) != isinstance(new, dict):
            del document[key]
        elif isinstance(new, dict):
            for name in [name for name in value if name not in new]:
                del value[name]


def _flow_style(value: Any) -> Any:
    """Write lists and mappings in one line: [32], {Cat: 1}."""
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
