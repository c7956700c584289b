"""params.yaml is read strictly, and a stage sees only what it declares."""

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT

from thaw.errors import ThawError
from thaw.params import Declared, Params, build, check, load

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())
KEYS = [
    (section, key) for section, inner in VALUES.items() if isinstance(inner, dict) for key in inner
]


def test_the_committed_params_are_those_of_the_sample():
    assert load(ROOT / "params.yaml") == load(ROOT / "setups/sample.yaml")


@given(st.sampled_from(KEYS))
def test_every_missing_key_is_named(place):
    section, key = place
    values = copy.deepcopy(VALUES)
    del values[section][key]
    with pytest.raises(ThawError, match=rf"{section} must hold .* missing: {key}"):
        build(Params, values)


@given(st.sampled_from(KEYS), st.text("abcxyz", min_size=1))
def test_every_unknown_key_is_named(place, letters):
    values = copy.deepcopy(VALUES)
    values[place[0]][f"no_{letters}"] = 1
    with pytest.raises(ThawError, match=f"unknown: no_{letters}"):
        build(Params, values)


@given(st.sampled_from(KEYS))
def test_every_wrong_type_is_named_with_its_value(place):
    section, key = place
    values = copy.deepcopy(VALUES)
    values[section][key] = {"a": [object]}
    with pytest.raises(ThawError, match=rf"{section}\.{key} must be"):
        build(Params, values)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("split", "test", 0.9, "leave room for train"),
        ("train", "dropout", 1.0, "dropout"),
        ("train", "freeze_till", -1, "freeze_till"),
        ("augment", "rotation", -3.0, "ranges of augment"),
        ("train", "learning_rate", 0.0, "learning rates"),
        ("train", "epochs", True, "must be int"),
    ],
)
def test_values_that_cannot_work_are_refused(section, key, value, message):
    values = copy.deepcopy(VALUES)
    values[section][key] = value
    with pytest.raises(ThawError, match=message):
        check(build(Params, values))


def test_a_stage_is_given_what_it_declares_and_nothing_else():
    params = Declared(build(Params, VALUES), frozenset({"train.epochs", "split"}))
    assert params.train.epochs == VALUES["train"]["epochs"]
    assert params.split.val == VALUES["split"]["val"]
    with pytest.raises(ThawError, match=r"reads train\.dropout, which dvc\.yaml does not list"):
        _ = params.train.dropout
    with pytest.raises(ThawError, match="reads seed"):
        _ = params.seed
