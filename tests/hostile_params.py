"""Files of params with every kind of fault, and what each must do: load as meant, or be refused.

`read_hostile_params.py` reads them all.
"""

import copy
import datetime
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from project import ROOT

TEXT = (ROOT / "params.yaml").read_text()
VALUES = yaml.safe_load(TEXT)
KEYS = ["seed"] + [f"{s}.{key}" for s, inner in VALUES.items() if s != "seed" for key in inner]
NULLABLE = {
    *(f"data.{key}" for key in ("sha256", "table", "file_column", "label_column")),
    *("data.relabel", "data.unknown"),
    *("data.limit_per_class", "data.min_per_class", "split.column", "split.group_column"),
    *("base.sha256", "split.seed"),
}
CONTAINERS = {"data.classes", "train.hidden_units", "augment.extra_views"}
OPTIONAL_NUMBERS = {"data.limit_per_class", "data.min_per_class", "split.seed"}
ZERO = {  # where 0 means something
    *("seed", "split.seed", "compute.training_threads", "data.max_phash_distance", "augment.views"),
    *(f"augment.{key}" for key in ("rotation", "shift", "shear", "zoom", "brightness", "contrast")),
    *(f"augment.{key}" for key in ("saturation", "elastic", "blur", "erase")),
    *("train.freeze_till", "train.dropout", "train.fine_tune_epochs", "train.weight_decay"),
}
FOREIGN = {  # any name will do
    *("data.watch", "data.watch_table", "data.watch_relabel", "data.watch_unknown"),
    *("base.weights", "data.classes", "augment.extra_views"),
}
ABSENT = object()


@dataclass(frozen=True)
class Case:
    """A file of params.

    meant: the values as which it must load; None if it must be refused, as it is if `damaged`
    and it does not load. lines: of the refusal; None for any number.
    """

    name: str
    content: bytes
    meant: dict[str, Any] | None = None
    lines: int | None = 1
    damaged: bool = False


def changed(**settings: Any) -> dict[str, Any]:
    """The committed values with others in place of some: changed(train__dropout=0.1)."""
    values = copy.deepcopy(VALUES)
    for place, value in settings.items():
        section, _, key = place.rpartition("__")
        inner = values[section] if section else values
        inner[key] = value
        if value is ABSENT:
            del inner[key]
    return values


def written(values: Any) -> bytes:
    return yaml.dump(values, Dumper=yaml.CSafeDumper, allow_unicode=True).encode()


def value_of(key: str) -> Any:
    section, _, name = key.rpartition(".")
    return VALUES[section][name] if section else VALUES[name]


def inside(key: str, item: Any) -> Any:
    """The item as the key takes it: in a list, in a mapping, or itself."""
    if key == "augment.extra_views":
        return {"Cat": item}
    return [item] if key in CONTAINERS else item


def named(key: str, name: str) -> Any:
    """The name as the key takes it: as the key of a mapping, or as `inside`."""
    return {name: 1} if key == "augment.extra_views" else inside(key, name)


def wrong_type(rng: random.Random, key: str) -> Any:
    value = value_of(key)
    others = {
        bool: True,
        float: 1.5,
        str: "größe",
        list: [[1]],
        dict: {"a": [1]},
        datetime.date: datetime.date(2001, 1, 1),
        bytes: b"bytes",
    }
    others.pop(type(value), None) if key not in CONTAINERS else None
    if key in NULLABLE - OPTIONAL_NUMBERS:
        del others[str]
    return rng.choice(list(others.values()))


def negative(rng: random.Random, key: str) -> Any:
    return inside(key, rng.choice([-1, -3, -0.5, -(10**9), -1e300]))


def huge(rng: random.Random, key: str) -> Any:
    if isinstance(value_of(key), str) or key == "data.classes":
        return inside(key, "x" * rng.choice([5000, 10**5]))
    return inside(key, rng.choice([10**9, 10**18, 10**400, 1e9, 1e300]))


def empty(rng: random.Random, key: str) -> Any:
    return type(value_of(key))() if key in CONTAINERS else rng.choice(["", " ", "\u00a0 "])


def foreign(rng: random.Random, key: str) -> Any:
    names = rng.sample(["größe", "写真", "😀 😀", "كلب", "Cat’s", "e\u0301"], 2)
    return names if key == "data.classes" else named(key, names[0])


def control(rng: random.Random, key: str) -> Any:
    return named(key, rng.choice("\n\r\0\t\x1b\x85\u2028\u2029").join("ab"))


# What is done to a key, and the keys for which the result makes sense.
MUTATIONS: dict[str, tuple[Callable[[random.Random, str], Any], set[str]]] = {
    "a wrong type": (wrong_type, set()),
    "negative": (negative, set()),
    "zero": (lambda rng, key: inside(key, 0), ZERO | {"augment.extra_views"}),
    "not a number": (lambda rng, key: inside(key, math.nan), set()),
    "infinite": (lambda rng, key: inside(key, rng.choice([math.inf, -math.inf])), set()),
    "huge": (huge, set()),
    "empty": (empty, CONTAINERS),
    "foreign": (foreign, FOREIGN),
    "control characters": (control, set()),
    "null": (lambda rng, key: None, NULLABLE),
    "null inside": (lambda rng, key: inside(key, None), NULLABLE),
    "missing": (lambda rng, key: ABSENT, set()),
    "unknown": (lambda rng, key: 1, set()),  # beside it, a key with a letter more
}
FAULTS = ("a wrong type", "negative", "not a number", "missing")  # whatever the other keys are


def mutated_cases(count: int | None, seed: int) -> Iterator[Case]:
    """`count` files with one key changed, or all: each key in each way."""
    pairs = [(key, how) for key in KEYS for how in MUTATIONS]
    random.Random(seed).shuffle(pairs)
    for number, (key, how) in enumerate(pairs[:count]):
        mutate, sensible = MUTATIONS[how]
        place = key.replace(".", "__") + "x" * (how == "unknown")
        values = changed(**{place: mutate(random.Random(f"{seed} {number}"), key)})
        yield Case(f"{key} {how}", written(values), values if key in sensible else None)


def faulty_cases(count: int, seed: int) -> Iterator[Case]:
    """Files with two to five faults, each of which has a line of its own."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        keys = rng.sample(KEYS, rng.randrange(2, 6))
        changes = {
            key.replace(".", "__"): MUTATIONS[rng.choice(FAULTS)][0](rng, key) for key in keys
        }
        yield Case(f"faults in {', '.join(keys)}", written(changed(**changes)), lines=len(keys))


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 9)):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def lose(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted(rng.choices(range(len(data)), k=2))
    return data[:start] + data[end:]


def repeat(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted(rng.choices(range(len(data)), k=2))
    return data[:end] + data[start:]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    piece = rng.choice(
        [b"\0", b"\t", b"\xff", b"- ", b"? ", b"*a ", b"&a ", b"!!set ", b"[{", b"%"]
    )
    return data[:at] + piece * rng.choice([1, 2, 500]) + data[at:]


def damaged_cases(count: int, seed: int) -> Iterator[Case]:
    """The committed file with damage anywhere, which may hit a comment or make another value."""
    for number in range(count):
        damage = (flip_bits, cut, lose, repeat, insert)[number % 5]
        content = damage(random.Random(f"{seed} {number}"), TEXT.encode())
        yield Case(f"{damage.__name__} {number}", content, lines=None, damaged=True)


def replaced(line: str, by: str) -> bytes:
    assert TEXT.count(line) == 1
    return TEXT.replace(line, by).encode()


SEED, RATE = "seed: 20\n", "head_learning_rate: 0.001"
LIST_BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]\n" for n in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join(9 * [f'*a{n - 1}'])}]}}\n" for n in range(1, 12)
)
AS_MEANT: dict[str, tuple[bytes, dict[str, Any]]] = {  # written otherwise, and its values
    "as it is": (TEXT.encode(), VALUES),
    "with a byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), VALUES),
    "with lines of Windows": (TEXT.replace("\n", "\r\n").encode(), VALUES),
    "in another order": (written(dict(reversed(VALUES.items()))), VALUES),
    "as JSON": (json.dumps(VALUES).encode(), VALUES),
    "as a document": (f"---\n{TEXT}...\n".encode(), VALUES),
    "with a foreign comment": (TEXT.encode() + "# größe 写真\n".encode(), VALUES),
    "with 1e-05": (
        replaced(RATE, "head_learning_rate: 1e-05"),
        changed(train__head_learning_rate=0.00001),
    ),
    "with 1E-5": (
        replaced(RATE, "head_learning_rate: 1E-5"),
        changed(train__head_learning_rate=0.00001),
    ),
    "with seed 020": (replaced(SEED, "seed: 020\n"), VALUES),
    "with seed 0x14": (replaced(SEED, "seed: 0x14\n"), VALUES),
    "with the largest seed": (replaced(SEED, "seed: 4294967295\n"), changed(seed=2**32 - 1)),
    "with the class yes": (
        replaced("classes: []", "classes: [yes, no]"),
        changed(data__classes=["yes", "no"]),
    ),
}
REFUSED: dict[str, bytes] = {  # in one line
    "nothing": b"",
    "comments only": b"# nothing\n",
    "a list": b"- seed\n",
    "text": b"seed",
    "a number": b"20\n",
    "not UTF-8": TEXT.encode() + "# größe".encode("latin-1"),
    "UTF-16": TEXT.encode("utf-16"),
    "a zip": b"PK\3\4" + bytes(100),
    "zeros": bytes(1000),
    "a NUL": replaced(SEED, "seed: 2\0\n"),
    "a bell": replaced(SEED, "seed: 20  # \7\n"),
    "tabs": TEXT.replace("  ", "\t").encode(),
    "a key twice": TEXT.encode() + b"seed: 3\n",
    "a section twice": TEXT.encode() + b"train: {}\n",
    "two documents": TEXT.encode() + b"---\nseed: 1\n",
    "an open list": replaced(SEED, "seed: [1\n"),
    "an open text": replaced(SEED, 'seed: "1\n'),
    "an unknown alias": replaced(SEED, "seed: *a\n"),
    "a value that holds itself": replaced(SEED, "seed: &a [*a]\n"),
    "a file that holds itself": b"&a\nseed: *a\n",
    "a bomb of lists": LIST_BOMB.encode() + TEXT.encode(),
    "a bomb of lists as a seed": LIST_BOMB.replace("a11: &a11", "seed:").encode(),
    "a bomb of merges": MERGE_BOMB.encode() + TEXT.encode(),
    "a thousand lists in lists": replaced(SEED, f"seed: {'[' * 1000}\n"),
    "a thousand mappings in mappings": replaced(SEED, f"seed: {'{a: ' * 1000}\n"),
    "a thousand items in items": f"{'- ' * 1000}\n".encode(),
    "a thousand keys in keys": f"{'? ' * 1000}\n".encode(),
    "a thousand levels": "".join(f"{' ' * n}a:\n" for n in range(1000)).encode(),
    "a tag of Python": replaced(SEED, "seed: !!python/object/apply:os.getcwd []\n"),
    "an unknown tag": replaced(SEED, "seed: !x 20\n"),
    **{f"a bad {kind}": replaced(SEED, f"seed: !!{kind} x\n") for kind in ("int", "float", "bool")},
    "a bad date": replaced(SEED, "seed: 2001-99-99\n"),
    "bytes": replaced(SEED, "seed: !!binary aGk=\n"),
    "a set": b"!!set {seed, data}\n",
    "a text of a megabyte": replaced(SEED, f"seed: {'x' * 10**6}\n"),
    "5,000 digits": replaced(SEED, f"seed: {'9' * 5000}\n"),
    "20,000 hexadecimal digits": replaced(SEED, f"seed: 0x{'f' * 20000}\n"),
    "a fraction": replaced(SEED, "seed: 20.0\n"),
    "sexagesimal": replaced(SEED, "seed: 1:30\n"),
    "1e400": replaced(RATE, "head_learning_rate: 1e400"),
    "a comma": replaced(RATE, "head_learning_rate: 0,001"),
    "a key that is null": TEXT.encode() + b"null: 1\n",
    "a key that is a list": TEXT.encode() + b"? [a]\n: 1\n",
    "a key that is a mapping": TEXT.encode() + b"? {a: 1}\n: 1\n",
    "a key of two lines": TEXT.encode() + b'"a\\nb": 1\n',
    "a key with a separator of lines": TEXT.encode() + b'"a\\u2028b": 1\n',
    "a key of a megabyte": TEXT.encode() + f"? {'x' * 10**6}\n: 1\n".encode(),
    "half a letter": replaced("source: sample", 'source: "\\uD800"'),
    "an unknown home": replaced("source: sample", "source: ~nobody-here/photos"),
    "an empty section": written(changed(export=None)),
    **{
        f"{key}: {value}": written(changed(**{key.replace(".", "__"): value}))
        for key, value in (
            *(("data.limit_per_class", n) for n in (-3, 0, 2, 9)),
            *(("data.max_phash_distance", n) for n in (-1, 65)),
            *(("data.max_megapixels", x) for x in (math.nan, 1e-9, 1e9)),
            *(("data.sha256", text) for text in ("banana", 63 * "0", 65 * "0")),
            *(("data.classes", names) for names in (["Cat"], ["Cat", "Cat"], ["Cat", ""])),
            *(("augment.rotation", x) for x in (math.inf, 361)),
            *(("base.alpha", x) for x in (0, 1e9)),
            *(("base.image_size", n) for n in (31, 100000)),
            *(("train.batch_size", n) for n in (0, 10**9)),
            *(("train.head_learning_rate", x) for x in (0, 1000, "1e-3x")),
            *(("train.hidden_units", units) for units in ([10**9], [0], 11 * [8])),
            *(("train.freeze_till", n) for n in (156, "most")),
            *(("seed", n) for n in (-1, 2**32)),
            *(("augment.blur", 1e6), ("data.source", ""), ("split.test", 0.9)),
            ("base.name", "VGG"),
        )
    },
}  # fmt: skip


def crafted_cases() -> Iterator[Case]:
    for name, (content, values) in AS_MEANT.items():
        yield Case(name, content, values)
    for name, content in REFUSED.items():
        yield Case(name, content)
    yield Case("no section", b"{}", lines=len(VALUES))
    yield Case("10,000 unknown keys", b"".join(b"k%d: 1\n" % n for n in range(10**4)), lines=21)


def all_cases(count: int, seed: int) -> Iterator[Case]:
    """Crafted files, and about `count` others, the same for the same seed."""
    yield from crafted_cases()
    yield from mutated_cases(count // 2, seed)
    yield from faulty_cases(count // 6, seed)
    yield from damaged_cases(count // 3, seed)
