"""Tables survive a CSV round trip, for any class names."""

import pandas as pd
import pytest

from thaw.evaluate.tables import learning_curves, read_tables, write_tables


@pytest.mark.parametrize("names", [["Cat", "Dog"], ["None", "NA"], ["1", "02"], ["Été, $1$", '"']])
def test_tables_round_trip(tmp_path, names):
    tables = {
        "per_class": pd.DataFrame({"class": names, "f1": [1 / 3, 0.0], "support": [5, 7]}),
        "confusion": pd.DataFrame({"actual": names, "predicted": names[::-1]}),
    }
    write_tables(tmp_path / "tables", tables)
    found = read_tables(tmp_path / "tables")
    assert set(found) == set(tables)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(found[name], table, rtol=1e-6)
    write_tables(tmp_path / "again", found)  # as the report stage does
    for path in (tmp_path / "tables").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_learning_curves_prefix_train_columns():
    columns = ["phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    table = learning_curves(pd.DataFrame([["head", 1, 0.5, 0.8, 0.6, 0.7]], columns=columns))
    assert table.iloc[0].to_dict() == {
        "epoch": 1,
        "phase": "head",
        "train_loss": 0.5,
        "val_loss": 0.6,
        "train_accuracy": 0.8,
        "val_accuracy": 0.7,
    }
