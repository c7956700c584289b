"""Read params.yaml into typed, frozen models, with one line for each error in it."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from thaw.backbones import BACKBONES, count_layers
from thaw.errors import ThawError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

WEIGHT_KINDS = ("sample", "imagenet", "none")  # base.weights that are not a file
SAMPLE_BASE = ("MobileNetV2", 0.25)  # name and alpha that the weights of the sample fit

# Pydantic's types, in the words of YAML.
TYPE_NAMES = {
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
}


def _raise_if_any(errors: list[str]) -> None:
    """Raise ValueError with a line for each error, for pydantic to collect."""
    if errors:
        raise ValueError("\n".join(errors))


def _known_backbone(name: str) -> str:
    rule = f"base.name must be one of {', '.join(BACKBONES)}, but is {name!r}"
    _raise_if_any([] if name in BACKBONES else [rule])
    return name


def _existing(path: str, rule: str) -> Path:
    found = Path(path).expanduser()
    if not found.exists():
        raise ThawError(f"{rule}, but {path} does not exist: check the path, from {Path.cwd()}")
    return found


def is_local(source: str) -> bool:
    """Whether a `data.source` is an archive or a folder here, not the sample or a URL."""
    return source != "sample" and "://" not in source


class Section(BaseModel):
    """A section of params.yaml. Every key is required, and no other is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """Where the images come from and which are used."""

    source: str = Field(min_length=1)  # "sample", a URL, an archive or a folder
    sha256: str | None  # of the archive, or of the folder's listing; None: not checked
    watch: str = Field(min_length=1)  # a dep of ingest: a local source, or a folder around it
    layout: Literal["auto", "folders", "prefix", "csv", "splits"]  # see thaw.data.layout
    table: str | None = Field(min_length=1)  # a local file, or a path inside the source
    table_sha256: str | None  # of a local table; None: not checked
    file_column: str | None = Field(min_length=1)  # None: the one with a usual name
    label_column: str | None = Field(min_length=1)  # None: the one with a usual name
    classes: list[str]  # classes to use, in this order; empty: all, by name
    limit_per_class: int | None = Field(ge=1, le=10**7)
    # smaller classes are dropped; None: they are an error. A class needs an image in each split
    min_per_class: int | None = Field(ge=3, le=10**7)
    max_megapixels: float = Field(gt=0, le=1000)  # larger images are left out
    # near duplicates: perceptual hashes that differ in at most so many of 64 bits
    max_phash_distance: int = Field(ge=0, le=64)

    def local_source(self) -> Path | None:
        """The archive or folder; None for the sample and for a URL. ThawError if it is missing."""
        if not is_local(self.source):
            return None
        return _existing(self.source, "data.source must be sample, a URL, an archive or a folder")

    def local_table(self) -> Path | None:
        """The table, if it is a local file; None if there is none or it is inside the source."""
        path = Path(self.table).expanduser() if self.table else None
        return path if path and path.is_file() else None

    def may_have_table(self) -> bool:
        """Whether the layout is, or may turn out to be, csv. The sample has class folders."""
        return self.layout in ("auto", "csv") and self.source != "sample"

    @model_validator(mode="after")
    def _local_source_is_watched(self) -> Self:
        source, watch = (Path(path).expanduser().absolute() for path in (self.source, self.watch))
        wrong = is_local(self.source) and not source.is_relative_to(watch)
        rule = (
            f"data.watch must be data.source, {self.source}, or a folder around it, so that DVC "
            f"notices changes, but is {self.watch}: `thaw use data.source={self.source}` sets both"
        )
        _raise_if_any([rule] if wrong else [])
        return self

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        errors = []
        count = len(self.classes)
        if count == 1 or len(set(self.classes)) < count:
            errors.append(
                "data.classes must be empty or name two classes or more, each once, but is "
                f"{self.classes!r}"
            )
        least, most = self.min_per_class, self.limit_per_class
        if least is not None and most is not None and most < least:
            errors.append(
                f"data.limit_per_class must be at least data.min_per_class, {least}, but is {most}"
            )
        if self.source == "sample" and self.layout not in ("auto", "folders"):
            errors.append(
                "data.layout must be auto or folders for the sample, which has a folder per class, "
                f"but is {self.layout!r}"
            )
        if self.table_sha256 is not None and self.table is None:
            errors.append("data.table_sha256 must be null without data.table: set data.table")
        _raise_if_any(errors + self._table_errors())
        return self

    def _table_errors(self) -> list[str]:
        keys = ("table", "file_column", "label_column")
        return [
            f"data.{key} must be null without a table, that is for data.layout {self.layout} of "
            f"{self.source}, but is {getattr(self, key)!r}: remove it, or set data.layout to csv"
            for key in keys
            if getattr(self, key) is not None and not self.may_have_table()
        ]


class Split(Section):
    """Fractions of the images; train gets the rest. Given splits are kept as they are."""

    val: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    folds: int = Field(ge=2, le=100)  # cross-validation folds over train and val
    column: str | None = Field(min_length=1)  # of data.table, with values train, val and test
    # of data.table; images with the same value stay together
    group_column: str | None = Field(min_length=1)
    on_leak: Literal["drop", "error"]  # a duplicate that crosses given splits

    @model_validator(mode="after")
    def _train_is_left(self) -> Self:
        both = self.val + self.test
        rule = "split.val and split.test must leave room for train: their sum must be less than 1"
        _raise_if_any([f"{rule}, but is {both:g}"] if both >= 1 else [])
        return self


class Base(Section):
    """The pre-trained network, without its classifier."""

    name: Annotated[str, AfterValidator(_known_backbone)]  # a row of thaw.backbones.BACKBONES
    # width multiplier, for the MobileNets; below 1/32 a layer would have no channels
    alpha: float | None = Field(ge=0.05, le=10)
    weights: str = Field(min_length=1)  # one of WEIGHT_KINDS, or a weights file
    sha256: str | None  # of the weights file; None: not checked
    image_size: int = Field(ge=32, le=1024)  # width and height, pixels
    resize: Literal["squash", "crop", "pad"]  # to this size; see thaw.images.decode

    def weights_file(self) -> Path | None:
        """The weights file; None if `weights` is a kind of weights. ThawError if it is missing."""
        if self.weights in WEIGHT_KINDS:
            return None
        return _existing(self.weights, f"base.weights must be {', '.join(WEIGHT_KINDS)} or a file")

    @model_validator(mode="after")
    def _fits_the_backbone(self) -> Self:
        row, errors = BACKBONES[self.name], []
        if self.image_size < row.smallest_image_size:
            errors.append(
                f"base.image_size must be {row.smallest_image_size} or more for {self.name}, "
                f"but is {self.image_size}"
            )
        if row.has_alpha and self.alpha is None:
            errors.append(f"base.alpha must be a number for {self.name}, such as 1.0, but is None")
        if not row.has_alpha and self.alpha is not None:
            errors.append(
                f"base.alpha must be null for {self.name}, which has no width multiplier, "
                f"but is {self.alpha!r}"
            )
        if not errors and self.weights == "sample" and (self.name, self.alpha) != SAMPLE_BASE:
            errors.append(
                f"base.weights may be sample for {SAMPLE_BASE[0]} with base.alpha {SAMPLE_BASE[1]} "
                f"only, but is so for {self.name} with {self.alpha}"
            )
        _raise_if_any(errors)
        return self


class Augment(Section):
    """Views of the training images. Magnitudes are drawn from [-value, value]; 0 is off.

    Beyond the upper limits an image would be inverted or vanish.
    """

    views: int = Field(ge=0, le=1000)  # per image
    extra_views: dict[str, Annotated[int, Field(ge=0, le=1000)]]  # additional views, by class
    flip: bool  # left to right, with probability 0.5
    rotation: float = Field(ge=0, le=360)  # degrees
    shift: float = Field(ge=0, le=1)  # fraction of the image size
    shear: float = Field(ge=0, le=80)  # degrees
    zoom: float = Field(ge=0, le=0.9)  # fraction
    brightness: float = Field(ge=0, le=1)  # fraction
    contrast: float = Field(ge=0, le=1)  # fraction
    saturation: float = Field(ge=0, le=1)  # fraction
    elastic: float = Field(ge=0, le=0.5)  # displacement, fraction of the image size
    blur: float = Field(ge=0, le=100)  # maximum sigma, pixels
    erase: float = Field(ge=0, le=1)  # maximum erased area, fraction of the image


class Train(Section):
    """What is trained, and how."""

    # number of frozen layers of the base, counted from the input
    freeze_till: Annotated[int, Field(ge=0)] | Literal["all"]
    pooling: Literal["average", "flatten"]
    # units of each ReLU layer between pooling and softmax
    hidden_units: list[Annotated[int, Field(ge=1, le=65536)]]
    dropout: float = Field(ge=0, lt=1)
    head_epochs: int = Field(ge=1, le=10000)  # only the head trains
    fine_tune_epochs: int = Field(ge=0, le=10000)  # then head and unfrozen layers
    head_learning_rate: float = Field(gt=0, le=10)
    fine_tune_learning_rate: float = Field(gt=0, le=10)
    weight_decay: float = Field(ge=0, le=1)
    batch_size: int = Field(ge=1, le=65536)
    # a phase ends after so many epochs without a lower validation loss
    patience: int = Field(ge=1, le=10000)


class Compute(Section):
    """How the frozen prefix, the training and the bundle run."""

    max_cpu_isa: Literal["AVX2", "ALL"]  # of oneDNN, which TensorFlow and OpenVINO use
    training_threads: int = Field(ge=0, le=1024)  # 0: one per core
    precision: Literal["float32", "bfloat16"]
    cache_dtype: Literal["float16", "float32"]  # of the stored activations


class Export(Section):
    """The bundle."""

    tta_flip: bool  # average over each image and its flip; twice the compute


class Evaluate(Section):
    """What evaluation and explanation report."""

    bins: int = Field(ge=2, le=1000)  # of the reliability diagram and the ECE
    mistakes: int = Field(ge=1, le=1000)  # images in the gallery of worst errors
    explain_per_class: int = Field(ge=1, le=1000)  # Grad-CAM images per class


class Params(Section):
    """All of params.yaml."""

    seed: int = Field(ge=0, le=2**32 - 1)
    data: Data
    split: Split
    base: Base
    augment: Augment
    train: Train
    compute: Compute
    export: Export
    evaluate: Evaluate

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        errors = []
        layers = count_layers(self.base.name, self.base.alpha)
        freeze_till, classes = self.train.freeze_till, self.data.classes
        if freeze_till != "all" and freeze_till > layers:
            errors.append(
                f"train.freeze_till must be all, or at most the {layers} layers of "
                f"{self.base.name}, but is {freeze_till}"
            )
        unknown = [label for label in self.augment.extra_views if classes and label not in classes]
        if unknown:
            errors.append(
                f"augment.extra_views must name classes of data.classes, {classes!r}, "
                f"but names {unknown!r}"
            )
        for key in ("column", "group_column"):
            if getattr(self.split, key) is not None and not self.data.may_have_table():
                errors.append(
                    f"split.{key} must be null without a table, that is for data.layout "
                    f"{self.data.layout} of {self.data.source}, but is "
                    f"{getattr(self.split, key)!r}: remove it, or set data.layout to csv"
                )
        _raise_if_any(errors)
        return self


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml. Raises ThawError if it is missing or invalid."""
    return validate(read_yaml(path))


def validate(values: Any) -> Params:
    """Turn the mapping `values` into Params.

    Raises ThawError with a line for each error: the key, the rule and the value. Rules across
    sections are checked once every section is valid.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ThawError("\n".join(_explain(error.errors(), values))) from None


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file. Raises ThawError if it is missing or invalid."""
    try:
        return parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ThawError(f"no {path} in {Path.cwd()}: run this from the project's folder") from None
    except UnicodeDecodeError as error:
        raise ThawError(f"{path} is not UTF-8 text: {error}") from None
    except (YAMLError, ValueError) as error:
        raise ThawError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def parse_yaml(text: str) -> Any:
    """Parse YAML 1.2, as DVC does. A YAML 1.1 parser reads 1e-05, which DVC writes, as text.

    Raises YAMLError, or ValueError for a number or a date that Python cannot hold.
    """
    return YAML(typ="safe", pure=True).load(text)


def _explain(errors: Sequence["ErrorDetails"], values: Any) -> list[str]:
    """Return one line for each error."""
    lines: list[str] = []
    rules: dict[str, list[str]] = {}  # by key; each member of a union adds one
    received: dict[str, Any] = {}
    for error in errors:
        name = ".".join(map(str, error["loc"]))
        if error["type"] == "value_error":
            lines += str(error["ctx"]["error"]).splitlines()
        elif error["type"] == "missing":
            lines.append(f"{name} is missing")
        elif error["type"] in ("extra_forbidden", "invalid_key"):
            lines.append(_suggest(name))
        else:
            key = _key(error["loc"], values)
            rules.setdefault(key, []).append(_rule(error))
            received[key] = error["input"]
    return lines + [
        f"{key} must {' or '.join(rules[key])}, but is {received[key]!r}" for key in rules
    ]


def _rule(error: "ErrorDetails") -> str:
    """The rule of an error, such as `be less than 1`."""
    if error["type"] in TYPE_NAMES:
        return f"be {TYPE_NAMES[error['type']]}"
    rule = error["msg"].partition(" should ")[2]
    return rule.replace("greater than or equal to", "at least").replace(
        "less than or equal to", "at most"
    )


def _key(location: tuple[int | str, ...], values: Any) -> str:
    """The key of an error, such as train.hidden_units.0.

    In a union, pydantic appends the failed member to the location; it is not part of the key.
    """
    if location and location[-1] == "[key]":
        return f"a key of {'.'.join(map(str, location[:-2]))}"
    keys = []
    for part in location:
        try:
            values = values[part]
        except (TypeError, LookupError):
            break
        keys.append(str(part))
    return ".".join(keys) or "params.yaml"


def _suggest(name: str) -> str:
    """Say that `name` is not a parameter, and which ones are near."""
    sections = {
        section: list(getattr(field.annotation, "model_fields", ()))
        for section, field in Params.model_fields.items()
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


class StageParams:
    """A view of the params that allows only the keys that dvc.yaml declares for a stage.

    A stage that read an undeclared key would not rerun when that key changes; here it fails at
    once. Declaring `split` gives the section, declaring `train.freeze_till` only that key.
    """

    def __init__(self, values: Any, declared: frozenset[str], where: str = "") -> None:
        self._values, self._declared, self._where = values, declared, where

    def __getattr__(self, key: str) -> Any:
        name = f"{self._where}{key}"
        value = getattr(self._values, key)
        if name in self._declared:
            return value
        if any(other.startswith(f"{name}.") for other in self._declared):
            return StageParams(value, self._declared, f"{name}.")
        raise ThawError(f"this stage reads {name}, which dvc.yaml does not list in its params")

    def values(self) -> dict[str, Any]:
        """Return every declared key with its value."""
        values = {}
        for name in sorted(self._declared):
            value = self._values
            for key in name.split("."):
                value = getattr(value, key)
            values[name] = value
        return values
