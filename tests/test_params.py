"""params.yaml is read strictly, and a stage sees only what it declares."""

import copy
import math
from pathlib import Path

import pytest
from hostile_params import all_cases
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT
from read_hostile_params import GOOD, verdict

from thaw.backbones import BACKBONES, count_layers
from thaw.errors import ThawError
from thaw.params import Params, load, parse_yaml, read_yaml, validate

PETS = {"data__source": "pets", "data__watch": "pets"}
VALUES = read_yaml(ROOT / "params.yaml")
VALUES["base"]["weights"] = "none"  # which fits every backbone
KEYS = [
    (section, key) for section, inner in VALUES.items() if isinstance(inner, dict) for key in inner
]


def changed(**settings):
    """The committed values with others in place of some: changed(train__dropout=0.1)."""
    values = copy.deepcopy(VALUES)
    for place, value in settings.items():
        section, _, key = place.rpartition("__")
        (values[section] if section else values)[key] = value
    return values


def refused(values):
    """The lines with which `values` are refused."""
    with pytest.raises(ThawError) as error:
        validate(values)
    return str(error.value).splitlines()


def numbers():
    """Every number of the params: its place, how to write it, and the rule for it."""
    schema = Params.model_json_schema()
    sections = {"": schema} | schema["$defs"]
    for section, description in sections.items():
        for key, kind in description["properties"].items():
            place = f"{section.lower()}__{key}" if section else key
            for option in kind.get("anyOf", [kind]):
                if option.get("type") in ("integer", "number"):
                    yield place, lambda number: number, option
            if kind.get("type") == "array" and "minimum" in kind["items"]:
                yield place, lambda number: [number], kind["items"]
            if kind.get("type") == "object":
                [rule] = kind["patternProperties"].values()
                yield place, lambda number: {"Cat→Dog": number}, rule


NUMBERS = list(numbers())
NUMBER_NAMES = [place for place, _, _ in NUMBERS]


def test_the_committed_params_are_those_of_the_sample():
    assert load(ROOT / "params.yaml") == load(ROOT / "setups/sample.yaml")


@given(st.sampled_from(KEYS))
def test_every_missing_key_is_named(place):
    section, key = place
    values = copy.deepcopy(VALUES)
    del values[section][key]
    assert refused(values) == [f"{section}.{key} is missing"]


@given(st.sampled_from(KEYS), st.text("abcxyz", min_size=1))
def test_every_unknown_key_is_named(place, letters):
    [line] = refused(changed(**{f"{place[0]}__no_{letters}": 1}))
    assert line.startswith(f"{place[0]}.no_{letters} is not a parameter; did you mean {place[0]}.")


def test_an_unknown_section_and_one_that_is_none_are_named():
    assert refused(changed(tarin={"dropout": 0.1}))[0].startswith(
        "tarin is not a parameter; did you mean train"
    )
    assert refused(changed(train=3)) == ["train must be a mapping of keys to values, but is 3"]
    assert refused(None) == ["params.yaml must be a mapping of keys to values, but is None"]
    assert len(refused({})) == len(Params.model_fields)


@given(st.sampled_from(KEYS))
def test_every_wrong_type_is_named_with_its_value(place):
    section, key = place
    lines = refused(changed(**{f"{section}__{key}": {"a→b": [object]}}))
    assert len(lines) == 1
    assert lines[0].startswith(f"{section}.{key}")
    assert " must be " in lines[0] and f"{object!r}" in lines[0]


def test_there_is_a_rule_for_every_number():
    committed = {f"{s}__{key}" for s, key in KEYS if type(VALUES[s][key]) in (int, float)}
    lists = {"train__hidden_units", "augment__extra_views", "decision__costs"}
    optional = {"data__limit_per_class", "data__min_per_class", "split__seed"}
    assert committed | lists | optional | {"seed"} == set(NUMBER_NAMES)
    for place, _, rule in NUMBERS:
        assert {"minimum", "exclusiveMinimum"} & set(rule), place
        # The table of backbones says where freeze_till ends.
        upper = {"maximum", "exclusiveMaximum"} & set(rule)
        assert upper or place == "train__freeze_till", place


@pytest.mark.parametrize(("place", "write", "rule"), NUMBERS, ids=NUMBER_NAMES)
def test_every_number_beyond_its_range_is_refused(place, write, rule):
    step = 1 if rule["type"] == "integer" else 1e-6
    beyond = {
        "minimum": lambda end: end - step,
        "exclusiveMinimum": lambda end: end,
        "maximum": lambda end: end + step,
        "exclusiveMaximum": lambda end: end,
    }
    for end in set(rule) & set(beyond):
        number = beyond[end](rule[end])
        [line] = refused(changed(**{place: write(number)}))
        assert line.startswith(place.replace("__", ".")) and line.endswith(f"but is {number!r}")
    huge = refused(changed(**{place: write(10**400)}))
    assert len(huge) == 1


@pytest.mark.parametrize(("place", "write", "rule"), NUMBERS, ids=NUMBER_NAMES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", [1]])
def test_what_is_no_number_is_refused(place, write, rule, value):
    [line] = refused(changed(**{place: write(value)}))
    assert line.startswith(place.replace("__", ".")) and line.endswith(f"but is {value!r}")


@pytest.mark.parametrize("place", [p for p, _, rule in NUMBERS if rule["type"] == "integer"])
def test_a_fraction_is_no_whole_number(place):
    write = next(write for other, write, _ in NUMBERS if other == place)
    [line] = refused(changed(**{place: write(1.5)}))
    assert "must be a whole number" in line


def test_a_whole_number_is_a_number():
    assert validate(changed(data__max_megapixels=50)) == validate(VALUES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split__test": 0.9}, "leave room for train"),
        ({"train__dropout": 1.0}, "train.dropout must be less than 1, but is 1.0"),
        ({"train__freeze_till": -1}, "train.freeze_till must be at least 0 or be 'all'"),
        ({"train__freeze_till": "some"}, "train.freeze_till must be a whole number or be 'all'"),
        ({"augment__rotation": -3.0}, "augment.rotation must be at least 0, but is -3.0"),
        ({"train__fine_tune_learning_rate": 0.0}, "must be greater than 0, but is 0.0"),
        ({"train__fine_tune_epochs": True}, "must be a whole number, but is True"),
        (
            {"train__head_solver": "lbfgs", "train__hidden_units": [8]},
            "train.hidden_units must be empty, [], for train.head_solver lbfgs, which solves one",
        ),
        ({"split__folds": 2}, "split.folds must be 3 or more for cross-validation, which leaves"),
        ({"train__pooling": "max"}, "train.pooling must be 'average' or 'flatten', but is 'max'"),
        ({"data__source": ""}, "data.source must have at least 1 character, but is ''"),
        ({"data__layout": "flat"}, "data.layout must be 'auto', 'folders', 'prefix', 'csv' or "),
        ({"data__min_per_class": 2}, "data.min_per_class must be at least 3, but is 2"),
        (
            {"data__min_per_class": 20, "data__limit_per_class": 10},
            "data.limit_per_class must be at least 20, but is 10: raise it, or set ",
        ),
        ({"compute__precision": "bfloat16"}, "compute.max_cpu_isa must be ALL for"),
        ({"data__layout": "csv"}, "data.layout must be auto or folders for the sample"),
        ({"data__table": "labels.csv"}, "data.table must be null without a table, that is for"),
        (
            PETS | {"data__layout": "prefix", "data__label_column": "breed"},
            "data.label_column must be null without a table, that is for data.layout prefix of",
        ),
        (
            PETS | {"data__layout": "splits", "split__column": "part"},
            "split.column must be null without a table, that is for data.layout splits of pets",
        ),
        ({"split__group_column": "person"}, "split.group_column must be null without a table"),
        ({"split__on_leak": "keep"}, "split.on_leak must be 'drop' or 'error', but is 'keep'"),
        ({"data__classes": ["Cat"]}, "two classes or more, each once, but is ['Cat']"),
        ({"data__classes": ["Cat", "Dog", "Cat"]}, "each once, but is ['Cat', 'Dog', 'Cat']"),
        ({"augment__extra_views": {"Cat": -1}}, "augment.extra_views.Cat must be at least 0"),
        ({"augment__extra_views": {1: 1}}, "a key of augment.extra_views must be text, but is 1"),
        (
            {"data__classes": ["Cat", "Dog"], "augment__extra_views": {"Cow": 1}},
            "augment.extra_views must name classes of data.classes, ['Cat', 'Dog'], but names",
        ),
        ({"base__name": "Nothing"}, "base.name must be one of VGG16, "),
        ({"base__name": "VGG16"}, "base.alpha must be null for VGG16"),
        ({"base__alpha": None}, "base.alpha must be a number for MobileNetV2"),
        ({"base__alpha": 0.0}, "base.alpha must be at least 0.05, but is 0.0"),
        (
            {"base__name": "Xception", "base__alpha": None, "base__image_size": 70},
            "base.image_size must be 71 or more for Xception, but is 70",
        ),
        ({"train__freeze_till": 156}, "at most the 155 layers of MobileNetV2, but is 156"),
        (
            {"base__alpha": 1.0, "train__freeze_till": 155},
            "at most the 154 layers of MobileNetV2, but is 155",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_in_one_line(settings, message):
    [line] = refused(changed(**settings))
    assert message in line


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_fits_at_its_smallest_size_and_with_all_its_layers(name):
    row = BACKBONES[name]
    alpha = 0.35 if row.has_alpha else None
    base = {"base__name": name, "base__alpha": alpha, "base__image_size": row.smallest_image_size}
    layers = count_layers(name, alpha)
    assert validate(changed(**base, train__freeze_till=layers)).train.freeze_till == layers
    assert validate(changed(**base, train__freeze_till="all")).train.freeze_till == "all"
    assert len(refused(changed(**base, train__freeze_till=layers + 1))) == 1
    base["base__image_size"] -= 1
    assert len(refused(changed(**base, train__freeze_till="all"))) == 1


def test_each_thing_that_is_wrong_has_a_line_of_its_own():
    values = changed(
        base__name="VGG16",
        base__image_size=20,
        split__val=0.9,
        train__dropout=1.0,
        train__freeze_till=-1,
        train__hidden_units=[8, 0, 1.5],
        train__freze_till=3,
        seed=True,
        page={},
    )
    del values["evaluate"]["bins"]
    lines = refused(values)
    named = [line.split(" ")[0] for line in lines]
    assert sorted(named) == [
        "base.image_size",
        "evaluate.bins",
        "page",
        "seed",
        "split.val",
        "train.dropout",
        "train.freeze_till",
        "train.freze_till",
        "train.hidden_units.1",
        "train.hidden_units.2",
    ]
    assert "train.freze_till is not a parameter; did you mean train.freeze_till?" in lines
    assert "evaluate.bins is missing" in lines


def test_rules_between_keys_are_checked_together():
    lines = refused(changed(base__name="Xception", base__image_size=40, split__test=0.99))
    assert [line.split(" ")[0] for line in lines] == [
        "split.val",
        "base.image_size",
        "base.alpha",
    ]


@pytest.mark.parametrize("setup", sorted((ROOT / "setups").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_setup_gives_valid_params_for_classes_of_any_name(setup):
    values = copy.deepcopy(VALUES)
    for section, inner in read_yaml(setup).items():
        values[section] = {**values[section], **inner} if isinstance(inner, dict) else inner
    values["data"]["classes"] = ["Äpfel", "梨"]
    validate(values)


def test_numbers_are_read_as_dvc_writes_them():
    assert parse_yaml("rate: 1e-05\nclasses: [yes, no]") == {
        "rate": 1e-05,
        "classes": ["yes", "no"],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "must be YAML"),
        (b"seed: " + b"9" * 5000, "must be YAML"),
        (b"seed: 1\nseed: 2", "must be YAML"),
        ("seed: für".encode("latin-1"), "must be YAML in UTF-8"),
        (None, "run this from the project's folder"),
        ("a folder", "must be YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    if content == "a folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ThawError, match=message) as error:
        load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", [*all_cases(count=100, seed=0)], ids=lambda case: case.name[:60])
def test_a_hostile_file_loads_as_meant_or_is_refused_in_one_line_a_fault(tmp_path, case):
    assert verdict(case, tmp_path / "params.yaml") in GOOD


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The working directory, with a folder of its own as the user's home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home/photos").mkdir(parents=True)
    for name in ("photos.zip", "some.h5", "home/some.h5"):
        (tmp_path / name).touch()
    return tmp_path / "home"


def test_a_source_is_the_sample_a_url_or_a_path(home):
    def local(source):
        return validate(changed(data__source=source, data__watch=source)).data.local_source()

    for source in ("sample", "https://example.org/a.zip", "s3://bucket/a.zip"):
        assert local(source) is None
    assert local("photos.zip") == Path("photos.zip")
    assert local("~/photos") == home / "photos"
    with pytest.raises(
        ThawError, match=r"data.source must be .*, but none.zip does not exist: check"
    ):
        local("none.zip")


def test_a_table_is_a_local_file_or_inside_the_source(home):
    def local(table):
        watched = {"data__watch_table": table or "pets"}
        return validate(changed(**PETS, **watched, data__table=table)).data.local_table()

    (home / "labels.csv").touch()
    assert local("~/labels.csv") == home / "labels.csv"
    assert local(None) is None and local("labels.csv") is None


def test_weights_are_of_a_kind_or_a_file(home):
    def file(weights):
        return validate(changed(base__weights=weights)).base.weights_file()

    for kind in ("sample", "imagenet", "none"):
        assert file(kind) is None
    assert file("some.h5") == Path("some.h5")
    assert file("~/some.h5") == home / "some.h5"
    with pytest.raises(ThawError, match=r"base.weights must be sample, imagenet, none or a file, "):
        file("none.h5")


def test_the_weights_of_the_sample_fit_one_base_only():
    with pytest.raises(ThawError, match=r"base.weights may be sample for MobileNetV2 with .* 0.25"):
        validate(changed(base__weights="sample", base__alpha=1.0))


def test_params_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        validate(VALUES).train.dropout = 0.5
