"""Decisions on the audit's lists become a table that data.relabel takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaw.data.relabel import read_corrections, read_labels
from thaw.errors import ThawError
from thaw.evaluate.audit_lists import COLUMNS, DROP, KEEP, corrections, corrections_csv, read_audit

CLASSES = ["Cat", 'O"Hara', "Chien, “grand”"]
NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\r\n\t"), min_size=1
)
LABELS = st.sampled_from([DROP, *CLASSES])


@given(st.dictionaries(NAMES, LABELS | st.just(KEEP)), st.dictionaries(NAMES, LABELS), st.data())
def test_the_table_says_what_was_decided_and_what_the_earlier_one_said(
    tmp_path_factory, decisions, earlier, data
):
    if earlier and data.draw(st.booleans()):
        decisions[data.draw(st.sampled_from(sorted(earlier)))] = data.draw(LABELS | st.just(KEEP))
    path = tmp_path_factory.getbasetemp() / "relabel.csv"
    path.write_bytes(corrections_csv(corrections(decisions, earlier)))
    found = read_corrections(path)
    for name in {*decisions, *earlier}:
        if decisions.get(name) is not KEEP:
            assert found.pop(name) == decisions[name]
        elif name in earlier:
            assert found.pop(name) == earlier[name]
    assert not found
    names = {*decisions, *earlier}
    if corrections(decisions, earlier):
        assert read_labels(path, names, CLASSES) == read_corrections(path)


def test_without_a_path_there_is_no_correction():
    assert read_corrections(None) == {}


def test_the_audit_may_be_empty_and_may_not_be_another_file(tmp_path):
    path = tmp_path / "audit.csv"
    path.write_text(",".join(COLUMNS) + "\n")
    assert read_audit(path).empty
    path.write_text("name,label\n")
    with pytest.raises(ThawError, match="must have the columns list, rank"):
        read_audit(path)
