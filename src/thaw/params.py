"""Read params.yaml into typed, frozen models, with one line for each error in it."""

import os
import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.nodes import Node

from thaw.backbones import BACKBONES, count_layers
from thaw.errors import ThawError
from thaw.param_errors import ABSTAIN, AIM, COST, ONE_LINE, SHA256, explain, shown

WEIGHT_KINDS = ("sample", "imagenet", "none")  # base.weights that are not a file
SAMPLE_BASE = ("MobileNetV2", 0.25)  # name and alpha that the weights of the sample fit
MIN_PER_CLASS = 10  # images; with fewer, a split cannot hold each class

Text = Annotated[str, Field(min_length=1, max_length=4096, pattern=ONE_LINE)]
Sha256 = Annotated[str, Field(pattern=SHA256)]


def _raise_if_any(errors: list[str]) -> None:
    """Raise ValueError with a line for each error, for pydantic to collect."""
    if errors:
        raise ValueError("\n".join(errors))


def _known_backbone(name: str) -> str:
    rule = f"base.name must be one of {', '.join(BACKBONES)}, but is {shown(name)}"
    _raise_if_any([] if name in BACKBONES else [rule])
    return name


def local_path(path: str) -> Path:
    """The path, with `~` expanded; of an unknown user it stays as it is."""
    return Path(os.path.expanduser(path))


def _existing(path: str, rule: str) -> Path:
    """The path. Raises ThawError if it is missing."""
    found = local_path(path)
    if not os.path.exists(found):  # Path.exists raises for a name that is too long
        raise ThawError(f"{rule}, but {path} does not exist: check the path, from {Path.cwd()}")
    return found


def _is_within(path: str, folder: str) -> bool:
    return local_path(path).absolute().is_relative_to(local_path(folder).absolute())


def is_local(source: str) -> bool:
    """Whether a `data.source` is an archive or a folder here, not the sample or a URL."""
    return source != "sample" and not is_url(source)


def is_url(path: str) -> bool:
    """Whether it is a URL, not a path here."""
    return "://" in path


def local_unknown(unknown: str) -> Path | None:
    """The archive or folder of a `data.unknown`; None for a URL. ThawError if it is missing."""
    if is_url(unknown):
        return None
    return _existing(unknown, "data.unknown must be null, a URL, an archive or a folder")


class Section(BaseModel):
    """A section of params.yaml. Every key is required, and no other is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """Where the images come from and which are used."""

    source: Text  # "sample", a URL, an archive or a folder
    sha256: Sha256 | None  # of the archive, or of the folder's listing; None: not checked
    watch: Text  # a dep of ingest: a local source, or a folder around it
    watch_table: Text  # a dep of ingest: a local table
    watch_relabel: Text  # a dep of ingest: the file of data.relabel
    watch_unknown: Text  # a dep of evaluate: a local data.unknown, or a folder around it
    layout: Literal["auto", "folders", "prefix", "csv", "splits"]  # see thaw.data.layout
    table: Text | None  # a local file, or a path inside the source
    file_column: Text | None  # None: the one with a usual name
    label_column: Text | None  # None: the one with a usual name
    relabel: Text | None  # a local file; see thaw.data.relabel
    unknown: Text | None  # a URL, an archive or a folder of images of none of the classes
    classes: list[Text]  # classes to use, in this order; empty: all, by name
    limit_per_class: int | None = Field(ge=3, le=10**7)
    # smaller classes are dropped; None: they are an error. A class needs an image in each split
    min_per_class: int | None = Field(ge=3, le=10**7)
    max_megapixels: float = Field(ge=0.001, le=1000)  # larger images are left out
    # near duplicates: perceptual hashes that differ in at most so many of 64 bits
    max_phash_distance: int = Field(ge=0, le=64)

    def local_source(self) -> Path | None:
        """The archive or folder; None for the sample and for a URL. ThawError if it is missing."""
        if not is_local(self.source):
            return None
        return _existing(self.source, "data.source must be sample, a URL, an archive or a folder")

    def local_table(self) -> Path | None:
        """The table, if it is a local file; None if there is none or it is inside the source."""
        path = local_path(self.table) if self.table else None
        return path if path and os.path.isfile(path) else None

    def relabel_file(self) -> Path | None:
        """The file of corrected labels; None without. Raises ThawError if it is missing."""
        rule = "data.relabel must be null or a local CSV with columns name and label"
        return _existing(self.relabel, rule) if self.relabel else None

    def may_have_table(self) -> bool:
        """Whether the layout is, or may turn out to be, csv. The sample has class folders."""
        return self.layout in ("auto", "csv") and self.source != "sample"

    @model_validator(mode="after")
    def _local_files_are_watched(self) -> Self:
        errors = []
        if is_local(self.source) and not _is_within(self.source, self.watch):
            errors.append(
                f"data.watch must be data.source, {self.source}, or a folder around it, so that "
                f"DVC notices changes, but is {self.watch}: `thaw use data.source={self.source}` "
                "sets both"
            )
        for key, path, watches in (
            ("table", self.local_table() and self.table, [self.watch_table, self.watch]),
            ("relabel", self.relabel, [self.watch_relabel]),
            ("unknown", self.unknown, [self.watch_unknown]),
        ):
            if path and not is_url(path) and not any(_is_within(path, at) for at in watches):
                errors.append(
                    f"data.watch_{key} must be data.{key}, {path}, so that DVC notices changes, "
                    f"but is {watches[0]}: `thaw use data.{key}={path}` sets both"
                )
        _raise_if_any(errors)
        return self

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        errors = []
        count = len(self.classes)
        if count == 1 or len(set(self.classes)) < count:
            errors.append(
                "data.classes must be empty or name two classes or more, each once, but is "
                f"{shown(self.classes)}"
            )
        least, most = self.min_per_class or MIN_PER_CLASS, self.limit_per_class
        if most is not None and most < least:
            errors.append(
                f"data.limit_per_class must be at least {least}, but is {most}: raise it, or set "
                f"data.min_per_class to at most {most}"
            )
        if self.source == "sample" and self.layout not in ("auto", "folders"):
            errors.append(
                "data.layout must be auto or folders for the sample, which has a folder per class, "
                f"but is {self.layout!r}"
            )
        _raise_if_any(errors)
        return self


class Split(Section):
    """Fractions of the images; train gets the rest. Given splits are kept as they are."""

    # of the split and the folds; None: Params.seed, so that each seed has a split of its own
    seed: int | None = Field(ge=0, le=2**32 - 1)
    val: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    folds: int = Field(ge=2, le=100)  # cross-validation folds over train and val
    column: Text | None  # of data.table, with values train, val and test
    # of data.table; images with the same value stay together
    group_column: Text | None
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
    weights: Text  # one of WEIGHT_KINDS, or a weights file
    sha256: Sha256 | None  # of the weights file; None: not checked
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
    extra_views: dict[Text, Annotated[int, Field(ge=0, le=1000)]]  # additional views, by class
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
    # of the head phase: gradient steps, or the solution of logistic regression
    head_solver: Literal["adam", "lbfgs"]
    # units of each ReLU layer between pooling and softmax
    hidden_units: list[Annotated[int, Field(ge=1, le=16384)]] = Field(max_length=10)
    dropout: float = Field(ge=0, lt=1)
    head_epochs: int = Field(ge=1, le=10000)  # only the head trains
    fine_tune_epochs: int = Field(ge=0, le=10000)  # then head and unfrozen layers
    head_learning_rate: float = Field(gt=0, le=1)
    fine_tune_learning_rate: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, le=1)
    batch_size: int = Field(ge=1, le=65536)
    # a phase ends after so many epochs without a lower validation loss
    patience: int = Field(ge=1, le=10000)

    @model_validator(mode="after")
    def _a_solved_head_is_linear(self) -> Self:
        rule = (
            "train.hidden_units must be empty, [], for train.head_solver lbfgs, which solves one "
            f"dense layer, but is {shown(self.hidden_units)}: empty it, or set the solver to adam"
        )
        _raise_if_any([rule] if self.head_solver == "lbfgs" and self.hidden_units else [])
        return self


class Crossval(Section):
    """Cross-validation over the folds of train and val."""

    enabled: bool  # of the head, on embeddings
    full: bool  # of the entire training too, fine-tuning included


class Unknown(Section):
    """Which images are answered `unknown`."""

    refuse: float = Field(gt=0, lt=1)  # share of known images that the limit may refuse


class Compute(Section):
    """How the frozen prefix, the training and the bundle run."""

    max_cpu_isa: Literal["AVX2", "ALL"]  # of oneDNN, which TensorFlow and OpenVINO use
    training_threads: int = Field(ge=0, le=1024)  # 0: one per core
    precision: Literal["float32", "bfloat16"]
    cache_dtype: Literal["float16", "float32"]  # of the stored activations

    @model_validator(mode="after")
    def _bfloat16_has_its_instructions(self) -> Self:
        wrong = self.precision == "bfloat16" and self.max_cpu_isa != "ALL"
        rule = (
            "compute.max_cpu_isa must be ALL for compute.precision bfloat16, whose instructions "
            f"are newer than {self.max_cpu_isa}"
        )
        _raise_if_any([rule] if wrong else [])
        return self


class Decision(Section):
    """How the bundle's probabilities become an answer."""

    # what the threshold, or the costs of more than two classes, are for
    aim: Annotated[str, Field(pattern=AIM, max_length=4096)]
    # of an error, as "true class→answer"; those that are not named cost 1
    costs: dict[
        Annotated[str, Field(pattern=COST, max_length=4096)],
        Annotated[float, Field(ge=0, le=1e9)],
    ]
    # the share that is left to a person, the least certain, or the accuracy of the rest
    abstain: Annotated[float, Field(ge=0, lt=1)] | Annotated[str, Field(pattern=ABSTAIN)]

    @model_validator(mode="after")
    def _costs_are_used(self) -> Self:
        rule = "decision.costs must name costs for decision.aim costs, and be empty, {}, otherwise"
        is_wrong = bool(self.costs) != (self.aim == "costs")
        _raise_if_any(
            [f"{rule}, but is {shown(self.costs)} for {shown(self.aim)}"] if is_wrong else []
        )
        return self


class Export(Section):
    """The bundle."""

    calibrate: bool  # the temperature of its probabilities
    tta_flip: bool  # average over each image and its flip; twice the compute
    formats: list[Literal["litert"]]  # that are written beside the bundle


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
    crossval: Crossval
    unknown: Unknown
    compute: Compute
    decision: Decision
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
                f"augment.extra_views must name classes of data.classes, {shown(classes)}, "
                f"but names {shown(unknown)}"
            )
        if (self.crossval.enabled or self.crossval.full) and self.split.folds < 3:
            errors.append(
                "split.folds must be 3 or more for cross-validation, which leaves out one fold and "
                f"chooses on another, but is {self.split.folds}: raise it, or set "
                "crossval.enabled and crossval.full to false"
            )
        _raise_if_any(errors + self._table_errors())
        return self

    def _table_errors(self) -> list[str]:
        data, split = self.data, self.split
        keys = {
            "data.table": data.table,
            "data.file_column": data.file_column,
            "data.label_column": data.label_column,
            "split.column": split.column,
            "split.group_column": split.group_column,
        }
        return [
            f"{key} must be null without a table, that is for data.layout {data.layout} of "
            f"{data.source}, but is {value!r}: remove it, or set data.layout to csv"
            for key, value in keys.items()
            if value is not None and not data.may_have_table()
        ]


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
        raise ThawError("\n".join(explain(error.errors(), values, Params))) from None


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file. Raises ThawError if it is missing or invalid."""
    try:
        return parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ThawError(f"no {path} in {Path.cwd()}: run this from the project's folder") from None
    except (IsADirectoryError, ValueError) as error:
        raise ThawError(
            f"{path} must be YAML in UTF-8 without aliases, but is not: {error}: correct it, or "
            f"restore it with `git checkout {path}`"
        ) from None


def parse_yaml(text: str) -> Any:
    """Parse YAML 1.2, as DVC does. A YAML 1.1 parser reads 1e-05, which DVC writes, as text.

    Raises ValueError, in one line.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.max_depth = _Composer, 20
    try:
        return yaml.load(text)
    except Exception as error:  # ruamel raises many types on odd tags, numbers and nesting
        raise ValueError(textwrap.shorten(str(error), 400)) from None


class _Composer(Composer):
    """Allows no alias: a few lines of them may stand for gigabytes."""

    def return_alias(self, node: Node) -> Node:
        raise ValueError(f"*{node.anchor} is an alias")
