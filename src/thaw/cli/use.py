"""`thaw use`: write a setup and given params into params.yaml."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from thaw.cli.output import AsJson, note, print_json
from thaw.files import atomic_write

PARAMS = Path("params.yaml")


def use(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SETUP|KEY=VALUE",
            help="Name of a file in setups/, without .yaml, and params, such as seed=1.",
        ),
    ],
    json_: AsJson = False,
) -> None:
    """Write a setup, or single params, into params.yaml, and print what changed.

    Without a setup only the given keys change. A setup replaces all of params.yaml: sample.yaml
    has every key, the other setups only what differs from it. Comments are preserved. A local
    source goes into data.watch, a local data.table, data.relabel and data.unknown into
    data.watch_table, data.watch_relabel and data.watch_unknown, and the hash of a weights file
    into base.sha256, so that DVC notices when they change.

    Examples: `thaw use train.freeze_till=all` · `thaw use sample` · `thaw use mobilenetv2
    data.source=photos.zip base.weights=weights.h5`
    """
    from thaw.params import read_yaml
    from thaw.settings import changes, edit, flat, merge

    setup = None if "=" in words[0] else words[0]
    given = _parse(words[1:] if setup else words)
    before = read_yaml(PARAMS)
    before = before if isinstance(before, dict) else {}
    wanted = merge(before, given, setup)
    changed, removed = changes(before, wanted)
    if changed or removed:
        text = edit(PARAMS.read_text(encoding="utf-8"), wanted, changed)
        with atomic_write(PARAMS) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if setup:
        note(f"params.yaml is now the setup {setup}; earlier settings are not kept")
    if json_:
        _print_json(setup, flat(before), changed, removed)
    else:
        _report(flat(before), changed, removed)


def _print_json(
    setup: str | None, old: dict[str, Any], changed: dict[str, Any], removed: list[str]
) -> None:
    pairs = {key: {"before": old.get(key), "after": value} for key, value in changed.items()}
    gone = {key: old[key] for key in removed}
    print_json({"setup": setup, "changed": pairs, "removed": gone})


def _report(old: dict[str, Any], changed: dict[str, Any], removed: list[str]) -> None:
    for key, value in changed.items():
        typer.echo(f"{key}: {_shown(old.get(key))} → {_shown(value)}")
    for key in removed:
        typer.echo(f"{key}: {_shown(old[key])} → removed, it is not a parameter")
    if not changed and not removed:
        typer.echo("nothing changed")


def _parse(settings: list[str]) -> dict[str, Any]:
    """Parse key=value settings; the values are YAML."""
    from thaw.settings import parse_value

    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise typer.BadParameter(
                f"{setting!r} must be key=value, such as train.fine_tune_epochs=5"
            )
        if key in parsed:
            raise typer.BadParameter(f"each key must be given once, but {key} is given twice")
        parsed[key] = parse_value(key, value)
    return parsed


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
