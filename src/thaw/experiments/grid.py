"""The points of a grid: their settings, all their params, and their names."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from thaw.errors import ThawError
from thaw.params import validate
from thaw.settings import changes, merge, parse_value

MOST_POINTS = 10_000
MOST_NAMED = 120  # characters of a name before its hash; a file name has at most 255

Grid = dict[str, list[Any]]  # the values of each key


@dataclass(frozen=True)
class Point:
    """A point of a grid. name: that of its experiment, unique for its params and its inputs."""

    name: str
    settings: dict[str, Any]  # what the grid sets
    params: dict[str, Any]  # all params, as params.yaml holds them

    def changed(self, before: dict[str, Any]) -> dict[str, Any]:
        """The values that differ from the params `before`, by full key."""
        return changes(before, self.params)[0]


def read_grid(words: Iterable[str]) -> Grid:
    """Parse words such as `train.hidden_units=[32],[64,32]`.

    Values are YAML, separated by commas outside brackets and quotes.
    """
    grid: Grid = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or key in grid:
            raise ThawError(
                "a sweep must be given each key once, as key=value,value, such as "
                f"train.freeze_till=all,143, but is given {word!r}"
            )
        grid[key] = [parse_value(key, value) for value in _split(key, text)]
    return grid


def list_points(
    grid: Grid,
    before: dict[str, Any],
    rank: Callable[[str], int],
    inputs: Callable[[dict[str, Any]], str],
) -> list[Point]:
    """Every combination of the values, on top of the params `before`; each once.

    The key with the lowest `rank` varies slowest. `inputs` returns what the result depends on
    beside the params. ThawError, with a line for each mistake, unless all points are valid.
    """
    if (count := math.prod(map(len, grid.values()))) > MOST_POINTS:
        raise ThawError(
            f"a sweep must have at most {MOST_POINTS:,} points, but has {count:,}: leave out values"
        )
    keys = sorted(grid, key=rank)
    points: dict[str, Point] = {}
    mistakes: list[str] = []
    for values in product(*(grid[key] for key in keys)):
        settings = dict(zip(keys, values, strict=True))
        try:
            params = merge(before, settings)
        except ThawError as error:
            mistakes += str(error).splitlines()
            continue
        name = _name(settings, params, inputs(params))
        points.setdefault(name, Point(name, settings, params))
    if mistakes:
        raise ThawError("\n".join(dict.fromkeys(mistakes)))
    return list(points.values())


def _split(key: str, text: str) -> list[str]:
    """Split at commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        depth += 0 if quote else (character in "[{") - (character in "]}")
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    if not all(part.strip() for part in parts):
        raise ThawError(f"the values of {key} must be separated by single commas, but are {text!r}")
    return parts


def _name(settings: dict[str, Any], params: dict[str, Any], inputs: str) -> str:
    """Such as `freeze_till=143,seed=1-3fa9c1d2`: the settings, and a hash of all that counts."""
    last = [key.rpartition(".")[2] for key in settings]
    shown = [key if last.count(word) > 1 else word for key, word in zip(settings, last)]
    words = [f"{key}={_plain(value)}" for key, value in zip(shown, settings.values())]
    content = json.dumps([validate(params).model_dump(), inputs], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return f"{','.join(words)[:MOST_NAMED]}-{digest}"


def _plain(value: Any) -> str:
    """The value in characters that a Git reference and a shell allow; of a path, the last part."""
    text = value.rpartition("/")[2] if isinstance(value, str) else json.dumps(value, default=str)
    return re.sub(r"([^\w.+]|\.(?!\d))+", "-", text, flags=re.ASCII).strip("-") or "none"
