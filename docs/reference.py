"""Write the reference of params, commands, files and the API from the code, as Markdown."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer.core
import typer.main
import yaml
from pydantic import BaseModel

from thaw.cli.main import app
from thaw.params import Params
from thaw.serving.app import create_app
from thaw.serving.errors import CODES
from thaw.serving.feedback import feedback_blueprint
from thaw.serving.openapi import description
from thaw.serving.settings import ServeSettings
from thaw.serving.training_routes import training_blueprint

ROOT = Path(__file__).parent.parent
MARK = "<!-- Written by docs/reference.py. -->\n"


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(exist_ok=True)
    pages = {"params": params, "commands": commands, "files": files, "http": http}
    for name, page in pages.items():
        text = MARK + "\n".join(page()) + "\n"
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def params() -> Iterator[str]:
    """The sample's params with their comments, and the values that each may have."""
    yield "# Params\n\nAll numbers are set in `params.yaml`; this is that of the sample.\n"
    yield "```yaml\n" + (ROOT / "setups/sample.yaml").read_text() + "```\n"
    yield "## Values\n\n| param | type | values |\n|---|---|---|"
    for key, schema in fields(Params):
        yield f"| `{key}` | {kind(schema)} | {values(schema)} |"


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key with its JSON schema."""
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, schema["properties"][name]


def kind(schema: dict[str, Any]) -> str:
    """The types of a value."""
    kinds = [one.get("type", "text") for one in schema.get("anyOf", [schema])]
    return " or ".join(dict.fromkeys(kinds))


def values(schema: dict[str, Any]) -> str:
    """The values that are allowed, as far as the schema says."""
    said = []
    for one in schema.get("anyOf", [schema]):
        if "enum" in one:
            said.append(", ".join(f"`{value}`" for value in one["enum"]))
        for name, word in BOUNDS.items():
            if name in one:
                said.append(f"{word} {one[name]}")
    return "; ".join(said)


BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "at least so many:",
    "maxItems": "at most so many:",
}


def commands() -> Iterator[str]:
    """Every command with its help."""
    yield "# Commands\n"
    root = typer.main.get_group(app)
    yield f"{root.help}\n"
    yield from of_group(root, "thaw")


def of_group(group: typer.core.TyperGroup, name: str) -> Iterator[str]:
    """The commands of a group."""
    for word, command in sorted(group.commands.items()):
        if isinstance(command, typer.core.TyperGroup):
            yield from of_group(command, f"{name} {word}")
            continue
        context = typer.Context(command, info_name=f"{name} {word}")
        yield f"## {name} {word}\n\n{command.help}\n"
        yield "| option | what it does |\n|---|---|"
        for parameter in command.get_params(context):
            if record := parameter.get_help_record(context):
                yield f"| `{record[0]}` | {cell(record[1])} |"
        yield ""


def cell(text: str) -> str:
    """A text in a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def files() -> Iterator[str]:
    """What each stage reads of other stages, and what it writes."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    yield "# Stages and files\n\n| stage | does | writes |\n|---|---|---|"
    for name, stage in stages.items():
        written = [
            one if isinstance(one, str) else next(iter(one))
            for key in ("outs", "metrics", "plots")
            for one in stage.get(key, [])
        ]
        yield f"| `{name}` | {stage['desc']} | {', '.join(f'`{path}`' for path in written)} |"
    for title, path in (
        ("Headline metrics", "metrics/eval.json"),
        ("Metrics", "metrics/details.json"),
    ):
        yield f"\n## {title}: `{path}`\n\nThat of the sample:\n"
        found = json.dumps(json.loads((ROOT / path).read_text()), indent=1)
        yield f"```json\n{found}\n```"


def http() -> Iterator[str]:
    """The routes of `thaw serve`, with those for the holder of the token."""
    yield "# HTTP\n\nThe description of the API, which a server also gives at `/openapi.json`.\n"
    settings: Any = ServeSettings()
    nothing: Any = None  # nobody asks these applications
    routes = [
        training_blueprint(nothing, "none"),
        feedback_blueprint(nothing, "none", nothing, nothing),
    ]
    described = description(create_app(nothing, settings, routes), settings)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"## {method.upper()} {path}\n\n{operation['summary']}\n"
            yield from takes(operation)
            yield "| status | says | body |\n|---|---|---|"
            for status, answer in operation["responses"].items():
                yield f"| {status} | {cell(answer.get('description', ''))} | {body(answer)} |"
            yield ""
    yield "## Errors\n\n| code | status | says |\n|---|---|---|"
    for code, (number, text) in CODES.items():
        yield f"| `{code}` | {number} | {text} |"
    yield "\n## Bodies\n"
    for name, schema in described["components"]["schemas"].items():
        yield f"{name}:\n\n{in_yaml(schema)}"


def takes(operation: dict[str, Any]) -> Iterator[str]:
    """What a request may say in its path, its query and its body."""
    for one in operation.get("parameters", []):
        yield f"`{one['name']}`, in the {one['in']}: {cell(one.get('description', 'text'))}\n"
    for media_type, found in operation.get("requestBody", {}).get("content", {}).items():
        yield f"`{media_type}`:\n\n{in_yaml(found['schema'])}"


def body(answer: dict[str, Any]) -> str:
    """The names of an answer's schemas, or else its media types."""
    names = []
    for media_type, found in answer.get("content", {}).items():
        names += re.findall(r"schemas/(\w+)", json.dumps(found)) or [media_type]
    return " or ".join(names)


def in_yaml(schema: dict[str, Any]) -> str:
    """A JSON schema as a block."""
    copied = json.loads(json.dumps(schema))  # parts that occur twice are written twice
    return f"```yaml\n{yaml.safe_dump(copied, sort_keys=False, default_flow_style=None)}```\n"
