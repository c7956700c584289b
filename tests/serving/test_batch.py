"""The journal of a run that is killed, and the tables that are made of it."""

import csv
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaw.errors import ThawError
from thaw.serving.batch import Journal, Row
from thaw.serving.tables import Columns, check_suffix, write_csv, write_json_lines, write_table

LABELS = ["Cat", "Dog, or other", "犬"]
ROWS = [
    Row("a, b.jpg", "Cat", [0.75, 0.125, 0.125], 1.5, None, None),
    Row('"c".jpg', error="an image must be …, but is empty: replace it"),
    Row("犬.jpg", "犬", [0.1, 0.30000001, 0.6], None, "unsure", None),
]
NAMES = [row.path for row in ROWS]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_journal_that_a_kill_cut_anywhere_goes_on(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "rows"
    Journal(path, {"bundle": "a"}).add(ROWS)
    whole = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, len(whole)))])
        journal, names = Journal(path, {"bundle": "a"}), iter(NAMES)
        done = journal.resume(names)
        assert list(names) == NAMES[done:]
        journal.add(ROWS[done:])
        assert path.read_bytes() == whole
    assert list(journal.rows()) == ROWS


@pytest.mark.parametrize(
    ("key", "names", "said"),
    [
        ({"bundle": "b"}, NAMES, "another bundle or other options"),
        ({"bundle": "a"}, NAMES[1:], "other images"),
        ({"bundle": "a"}, NAMES[:2], "other images"),
    ],
)
def test_a_journal_of_another_run_is_one_line(tmp_path, key, names, said):
    journal = Journal(tmp_path / "rows", {"bundle": "a"})
    journal.add(ROWS)
    before = (tmp_path / "rows").read_bytes()
    with pytest.raises(ThawError, match=f"rows is of {said}: repeat"):
        Journal(tmp_path / "rows", key).resume(names)
    assert (tmp_path / "rows").read_bytes() == before


def test_csv_and_json_lines_hold_the_same():
    columns, table, lines = Columns(LABELS), io.StringIO(), io.StringIO()
    write_csv(table, ROWS, columns)
    write_json_lines(lines, ROWS, columns)
    found = list(csv.DictReader(io.StringIO(table.getvalue())))
    header = [
        "path",
        "label",
        "p_Cat",
        "p_Dog, or other",
        "p_犬",
        "unknown_score",
        "abstain",
        "error",
    ]
    assert list(found[0]) == header
    parsed = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [list(row) for row in parsed] == [header] * 3
    for row, other in zip(found, parsed, strict=True):
        assert row == {key: "" if value is None else str(value) for key, value in other.items()}
    assert parsed[0]["p_Cat"] == 0.75 and parsed[1]["p_Cat"] is None


def test_parquet_holds_the_same(tmp_path):
    columns = Columns(LABELS)
    write_table(tmp_path / "out.parquet", ROWS, columns)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == columns.names
    expected = [columns.of(row) for row in ROWS]
    for row, other in zip(table.to_pylist(), expected, strict=True):
        numbers = {key: value for key, value in other.items() if isinstance(value, float)}
        assert row == other | {key: float(np.float32(value)) for key, value in numbers.items()}


def test_only_the_most_probable():
    columns = Columns(LABELS, top=2)
    assert columns.of(ROWS[2]) == {
        **{"path": "犬.jpg", "label": "犬", "label_1": "犬", "p_1": 0.6},
        **{"label_2": "Dog, or other", "p_2": 0.30000001},
        **{"unknown_score": None, "abstain": "unsure", "error": None},
    }
    assert Columns(LABELS, top=9).names == Columns(LABELS, top=3).names
    assert columns.of(ROWS[1])["p_2"] is None


def test_a_column_of_the_truth():
    columns = Columns(LABELS, truth={"a, b.jpg": "Cat"}.get)
    assert columns.names[:3] == ["path", "label", "truth"]
    assert [columns.of(row)["truth"] for row in ROWS] == ["Cat", None, None]


def test_another_suffix_is_one_line(tmp_path):
    with pytest.raises(ThawError, match=r"must be called \.csv, \.jsonl, \.parquet, but is .*xlsx"):
        check_suffix(tmp_path / "out.xlsx")
