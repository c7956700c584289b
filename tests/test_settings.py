"""Changed settings as lines of params.yaml, and as a command, read back by whom they are for."""

import shlex

import pytest
from dvc.utils.hydra import apply_overrides
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT

from thaw.params import Augment, Params, parse_yaml, read_yaml, validate
from thaw.settings import bounds, changed_lines, changes, edit, exp_run, merge

PARAMS = read_yaml(ROOT / "params.yaml")
START = PARAMS | {"augment": PARAMS["augment"] | {"extra_views": {"Dog": 2}}}


def magnitudes(name):
    low, high = bounds(Augment, name)
    return st.floats(low, high)


CHANGES = st.fixed_dictionaries(
    {},
    optional={f"augment.{name}": magnitudes(name) for name in PARAMS["augment"] if name not in (
        "views", "extra_views", "flip"
    )}
    | {
        "augment.views": st.integers(0, 1000),
        "augment.flip": st.booleans(),
        "augment.extra_views": st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1)
            | st.sampled_from(["Cat", "Black dog", "no", "NULL", "1", "1e5", "a.b", "x-1", "Été"]),
            st.integers(0, 1000),
            max_size=3,
        ),
    },
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(CHANGES)
def test_the_lines_give_the_settings(given_values):
    changed, _ = changes(START, merge(START, given_values))
    lines = parse_yaml(changed_lines(changed)) or {}
    assert set(lines) <= {"augment"}
    found = START | {"augment": START["augment"] | lines.get("augment", {})}
    assert validate(found) == validate(merge(START, given_values))
    assert {f"augment.{name}" for name in lines.get("augment", {})} == set(changed)


@settings(deadline=None, max_examples=50)
@given(CHANGES)
def test_the_command_gives_the_settings(tmp_path_factory, given_values):
    wanted = merge(START, given_values)
    changed, _ = changes(START, wanted)
    command = exp_run(changed)
    if command is None:
        assert not set(given_values["augment.extra_views"]) <= {"Cat", "Black dog", "a.b", "x-1"}
        return
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text(edit((ROOT / "params.yaml").read_text(), START, {"augment": START["augment"]}))
    words = shlex.split(command)
    assert words[:3] == ["dvc", "exp", "run"] and set(words[3::2]) <= {"-S"}
    apply_overrides(path, words[4::2])
    wanted["augment"]["extra_views"] = (
        START["augment"]["extra_views"] | wanted["augment"]["extra_views"]
    )
    assert validate(read_yaml(path)) == validate(wanted)


@pytest.mark.parametrize(
    ("section", "name", "limits"),
    [(Augment, "zoom", (0, 0.9)), (Augment, "views", (0, 1000)), (Params, "seed", (0, 2**32 - 1))],
)
def test_bounds_are_those_of_the_rules(section, name, limits):
    assert bounds(section, name) == limits
