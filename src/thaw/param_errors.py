"""Say in one line each what is wrong with params.yaml: the key, the rule and the value."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_ERRORS = 20  # that are explained
MOST_SHOWN = 200  # characters of a value

# Text that is not blank, without control characters and separators of lines.
_CHARACTER = r"[^\p{Cc}\p{Zl}\p{Zp}]"
ONE_LINE = rf"^{_CHARACTER}*[^\s\p{{Cc}}]{_CHARACTER}*$"
SHA256 = "^[0-9A-Fa-f]{64}$"
_SHARE = r"(0?\.[0-9]+|1(\.0*)?)"
AIM = rf"^(accuracy|f1|costs|(precision|recall)>={_SHARE} of {_CHARACTER}+)$"
ABSTAIN = f"^accuracy>={_SHARE}$"
COST = f"^{_CHARACTER}+→{_CHARACTER}+$"

# Pydantic's types, and the patterns, in usual words.
TYPE_NAMES = {
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "string_unicode": "text",
    "bool_type": "true or false",
}
PATTERN_NAMES = {
    ONE_LINE: "text in one line",
    SHA256: "64 hexadecimal digits",
    AIM: "accuracy, f1, costs, or precision>= or recall>= a share of a class, such as "
    "recall>=0.99 of Cat",
    ABSTAIN: "accuracy>= a share, such as accuracy>=0.99",
    COST: "two classes with an arrow, such as Cat→Dog",
}


def explain(errors: Sequence["ErrorDetails"], values: Any, model: type[BaseModel]) -> list[str]:
    """Return one line for each of the first errors of `model` in `values`, and one for the others.

    An error that is raised as a ValueError may have several lines, and names its key itself.
    """
    lines: list[str] = []
    rules: dict[str, list[str]] = {}  # by key; each member of a union adds one
    received: dict[str, Any] = {}
    for error in errors[:MOST_ERRORS]:
        name = _name(error["loc"])
        if error["type"] == "value_error":
            lines += str(error["ctx"]["error"]).splitlines()
        elif error["type"] == "missing":
            lines.append(f"{name} is missing")
        elif error["type"] in ("extra_forbidden", "invalid_key"):
            lines.append(_suggest(name, model))
        else:
            key = _key(error["loc"], values)
            rules.setdefault(key, []).append(_rule(error))
            received[key] = error["input"]
    lines += [
        f"{key} must {' or '.join(rules[key])}, but is {shown(received[key])}" for key in rules
    ]
    more = len(errors) - MOST_ERRORS
    return lines + ([f"{more} more errors"] if more > 0 else [])


def shown(value: Any) -> str:
    """The value in one line, shortened."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a huge integer"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _name(keys: Sequence[int | str]) -> str:
    """The keys as train.dropout; a key that is odd is quoted, a long one shortened."""
    texts = [(str(key), shown(key)) for key in keys]
    return ".".join(
        text if text.isprintable() and len(text) <= MOST_SHOWN else quoted for text, quoted in texts
    )


def _rule(error: "ErrorDetails") -> str:
    """The rule of an error, such as `be less than 1`."""
    if error["type"] in TYPE_NAMES:
        return f"be {TYPE_NAMES[error['type']]}"
    if error["type"] == "string_pattern_mismatch":
        return f"be {PATTERN_NAMES[error['ctx']['pattern']]}"
    rule = error["msg"].partition(" should ")[2].partition(" after ")[0]
    return rule.replace("greater than or equal to", "at least").replace(
        "less than or equal to", "at most"
    )


def _key(location: tuple[int | str, ...], values: Any) -> str:
    """The key of an error, such as train.hidden_units.0.

    In a union, pydantic appends the failed member to the location; it is not part of the key.
    """
    if location and location[-1] == "[key]":
        return f"a key of {_name(location[:-2])}"
    keys: list[int | str] = []
    for part in location:
        try:
            values = values[part]
        except (TypeError, LookupError):
            break
        keys.append(part)
    return _name(keys) or "params.yaml"


def _suggest(name: str, model: type[BaseModel]) -> str:
    """Say that `name` is not a parameter, and which ones are near."""
    sections = {
        section: list(getattr(field.annotation, "model_fields", ()))
        for section, field in model.model_fields.items()
    }
    known = [
        ".".join(filter(None, (section, key)))
        for section, keys in sections.items()
        for key in keys or [""]
    ]
    section, dot, _ = name.partition(".")
    inside = [key for key in known if key.startswith(f"{section}.")] or list(sections)
    near = difflib.get_close_matches(name, known if dot else [*known, *sections], n=3)
    return f"{name} is not a parameter; did you mean {', '.join(near or inside)}?"
