"""Tables survive a CSV round trip, for any class names."""

import pandas as pd
import pytest
from damage import assert_noticed

from thaw.decision import DecisionRule
from thaw.evaluate.curves import tables
from thaw.evaluate.tables import TABLES, read_learning_curves, read_tables, write_tables

NAMES = (["Cat", "Dog"], ["None", "NA"], ["1", "02"], ["Été, $1$", '"'])


def some_tables(names):
    """A table of each name, with two rows."""
    values = {str: names, float: [1 / 3, 0.0], int: [5, 7]}
    return {
        table: pd.DataFrame({column: values[kind] for column, kind in columns.items()})
        for table, columns in TABLES.items()
    }


@pytest.mark.parametrize("names", NAMES)
def test_tables_round_trip(tmp_path, names):
    tables = some_tables(names)
    write_tables(tmp_path / "tables", tables)
    found = read_tables(tmp_path / "tables")
    assert set(found) == set(tables)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(found[name], table, rtol=1e-5)
    write_tables(tmp_path / "again", found)  # as the report stage does
    for path in (tmp_path / "tables").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_tables_of_predictions_have_the_columns_that_are_read(make_predictions):
    found = tables(make_predictions().subset("test"), 5, 1.5, DecisionRule())
    assert {name: list(table) for name, table in found.items()} == {
        name: list(columns) for name, columns in TABLES.items()
    }


def test_damaged_tables_are_named(tmp_path):
    write_tables(tmp_path / "tables", some_tables(["Cat", "Dog"]))
    for name in TABLES:
        assert_noticed(tmp_path / f"tables/{name}.csv", lambda: read_tables(tmp_path / "tables"))


def test_learning_curves_prefix_train_columns(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("phase,epoch,loss,accuracy,val_loss,val_accuracy\nhead,1,0.5,0.8,0.6,0.7\n")
    assert read_learning_curves(path).iloc[0].to_dict() == {
        "epoch": 1,
        "phase": "head",
        "train_loss": 0.5,
        "val_loss": 0.6,
        "train_accuracy": 0.8,
        "val_accuracy": 0.7,
    }
    assert_noticed(path, lambda: read_learning_curves(path))
