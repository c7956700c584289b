"""params.yaml as frozen dataclasses: unknown keys, missing keys and wrong types raise."""

import dataclasses
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from thaw.errors import ThawError

T = TypeVar("T")


@dataclass(frozen=True)
class Data:
    """Where the pictures come from and which of them are kept."""

    source: str  # "sample", a URL, an archive or a folder of class folders
    sha256: str | None  # of the archive, or of the folder's listing; None: not checked
    classes: list[str]  # which class folders, in this order; empty: all, by name
    limit_per_class: int | None
    max_megapixels: float  # a larger picture is left out
    near_duplicate_bits: int  # perceptual hashes that differ in at most so many of 64 bits


@dataclass(frozen=True)
class Split:
    """Fractions of the pictures; what val and test leave is train."""

    val: float
    test: float
    folds: int  # cross-validation folds over train and val


@dataclass(frozen=True)
class Base:
    """The pre-trained network, without its classifier."""

    name: str  # a row of thaw.model.backbones.BACKBONES
    alpha: float | None  # width multiplier, for the MobileNets
    weights: str  # "sample", "imagenet", "none" or a weights file
    sha256: str | None  # of the weights file; None: not checked
    image_size: int  # pixels a side


@dataclass(frozen=True)
class Augment:
    """Views of the training pictures; each range is drawn from [-value, value], 0 is off."""

    views: int  # a picture
    extra_views: dict[str, int]  # more for chosen classes
    flip: bool  # mirror left to right, half of the time
    rotation: float  # degrees
    shift: float  # fraction of the side
    shear: float  # degrees
    zoom: float  # fraction
    brightness: float  # fraction
    contrast: float  # fraction
    colour: float  # fraction of the saturation
    elastic: float  # displacement, fraction of the side
    blur: float  # largest sigma, pixels
    erase: float  # largest erased area, fraction of the picture


@dataclass(frozen=True)
class Train:
    """What is trained, and how."""

    freeze_till: int | Literal["all"]  # layers of the base, from the input, that stay frozen
    pooling: Literal["average", "flatten"]
    dense: list[int]  # units of each ReLU layer between pooling and softmax
    dropout: float
    head_epochs: int  # only the head learns
    epochs: int  # then head and unfrozen base
    head_learning_rate: float
    learning_rate: float
    weight_decay: float
    batch_size: int
    patience: int  # epochs without a better validation loss before a phase ends


@dataclass(frozen=True)
class Compute:
    """How the frozen prefix and the bundle are run."""

    precision: Literal["float32", "bfloat16"]
    cache: Literal["float16", "float32"]  # how the prefix's activations are stored


@dataclass(frozen=True)
class Export:
    """The bundle."""

    mirror: bool  # average over a picture and its mirror image; asking takes twice as long


@dataclass(frozen=True)
class Evaluate:
    """What evaluation and explanation show."""

    bins: int  # of the calibration curve and its error
    mistakes: int  # pictures in the gallery of the worst mistakes
    explain_per_class: int  # Grad-CAM pictures a class


@dataclass(frozen=True)
class Params:
    """All of params.yaml."""

    seed: int
    data: Data
    split: Split
    base: Base
    augment: Augment
    train: Train
    compute: Compute
    export: Export
    evaluate: Evaluate


def _fits(value: Any, kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, option) for option in typing.get_args(kind))
    if origin is Literal:
        return value in typing.get_args(kind)
    if origin is list:
        return isinstance(value, list) and all(_fits(v, typing.get_args(kind)[0]) for v in value)
    if origin is dict:
        of_key, of_value = typing.get_args(kind)
        return isinstance(value, dict) and all(
            _fits(k, of_key) and _fits(v, of_value) for k, v in value.items()
        )
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _words(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


def build(kind: type[T], values: Any, where: str = "") -> T:
    """Turn the mapping `values` into the dataclass `kind`, strictly.

    Raises ThawError that lists every unknown and every missing key, or names the key whose
    value is not of its type, with the type and the value.
    """
    section = where.rstrip(".") or "params.yaml"
    if not isinstance(values, dict):
        raise ThawError(f"{section} must be a mapping of keys to values, but is {values!r}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints), key=str)
    missing = sorted(set(hints) - set(values))
    if unknown or missing:
        raise ThawError(
            f"{section} must hold exactly the keys {', '.join(hints)}; "
            f"unknown: {', '.join(map(str, unknown)) or 'none'}; "
            f"missing: {', '.join(missing) or 'none'}"
        )
    fields: dict[str, Any] = {}
    for key, hint in hints.items():
        if dataclasses.is_dataclass(hint):
            fields[key] = build(typing.cast(type, hint), values[key], f"{where}{key}.")
        elif _fits(values[key], hint):
            fields[key] = values[key]
        else:
            raise ThawError(f"{where}{key} must be {_words(hint)}, but is {values[key]!r}")
    return kind(**fields)


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml; raises ThawError when it is missing or wrong."""
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)
    except FileNotFoundError:
        raise ThawError(f"no {path} in {Path.cwd()}: run this from the project's folder") from None
    except yaml.YAMLError as problem:
        raise ThawError(f"{path} is not valid YAML: {' '.join(str(problem).split())}") from None
    params = build(Params, values)
    check(params)
    return params


def check(params: Params) -> None:
    """Refuse values that are of the right type but cannot work; raises ThawError."""
    split, train, augment = params.split, params.train, params.augment
    rules = [
        (params.seed >= 0, "seed must not be negative", params.seed),
        (
            split.val > 0 and split.test > 0 and split.val + split.test < 1,
            "split.val and split.test must be above 0 and leave room for train",
            (split.val, split.test),
        ),
        (split.folds >= 2, "split.folds must be 2 or more", split.folds),
        (
            params.base.image_size >= 32,
            "base.image_size must be 32 or more",
            params.base.image_size,
        ),
        (augment.views >= 0, "augment.views must be 0 or more", augment.views),
        (
            all(extra >= 0 for extra in augment.extra_views.values()),
            "augment.extra_views must be 0 or more",
            augment.extra_views,
        ),
        (
            all(value >= 0 for value in dataclasses.astuple(augment)[3:]),
            "the ranges of augment must be 0 or more",
            augment,
        ),
        (
            train.freeze_till == "all" or train.freeze_till >= 0,
            "train.freeze_till must be 0 or more, or all",
            train.freeze_till,
        ),
        (0 <= train.dropout < 1, "train.dropout must be in [0, 1)", train.dropout),
        (all(n > 0 for n in train.dense), "train.dense must be positive widths", train.dense),
        (train.head_epochs >= 1, "train.head_epochs must be 1 or more", train.head_epochs),
        (train.epochs >= 0, "train.epochs must be 0 or more", train.epochs),
        (
            train.head_learning_rate > 0 and train.learning_rate > 0,
            "learning rates must be above 0",
            (train.head_learning_rate, train.learning_rate),
        ),
        (train.weight_decay >= 0, "train.weight_decay must be 0 or more", train.weight_decay),
        (train.batch_size >= 1, "train.batch_size must be 1 or more", train.batch_size),
        (train.patience >= 1, "train.patience must be 1 or more", train.patience),
        (params.evaluate.bins >= 2, "evaluate.bins must be 2 or more", params.evaluate.bins),
        (
            params.evaluate.mistakes >= 1 and params.evaluate.explain_per_class >= 1,
            "evaluate.mistakes and evaluate.explain_per_class must be 1 or more",
            params.evaluate,
        ),
    ]
    for holds, rule, received in rules:
        if not holds:
            raise ThawError(f"{rule}, but is {received!r}: change it in params.yaml")


class Declared:
    """A view of the params that gives out only the keys that dvc.yaml declares for a stage.

    A stage that reads a key it does not declare would not rerun when that key changes; here it
    fails instead, at once. `params.split` is given whole when `split` is declared, and
    `params.train.freeze_till` alone when only that is.
    """

    def __init__(self, values: Any, declared: frozenset[str], where: str = "") -> None:
        self._values, self._declared, self._where = values, declared, where

    def __getattr__(self, key: str) -> Any:
        name = f"{self._where}{key}"
        value = getattr(self._values, key)
        if name in self._declared:
            return value
        if any(other.startswith(f"{name}.") for other in self._declared):
            return Declared(value, self._declared, f"{name}.")
        raise ThawError(f"this stage reads {name}, which dvc.yaml does not list in its params")

    def read(self) -> dict[str, Any]:
        """Every declared key with its value."""
        values = {}
        for name in sorted(self._declared):
            value = self._values
            for key in name.split("."):
                value = getattr(value, key)
            values[name] = value
        return values
