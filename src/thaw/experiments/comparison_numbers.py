"""Show a comparison as a table of numbers, which can be sorted."""

from typing import Any

import pandas as pd

from thaw.experiments.compare import Comparison
from thaw.experiments.comparison_table import mean_seconds, scores_on_test, short_keys, verdict
from thaw.experiments.setting import Setting, shown
from thaw.experiments.sweep_plots import DEPTH, FROZEN, PARAMETERS

AGAINST_FIRST = "against the first"


def numbers(comparison: Comparison, with_test: bool) -> pd.DataFrame:
    """A row for each setting, the best first: params that differ, then results with intervals.

    `freeze_till` is a number of layers, also for `all`; other params that are not all numbers are
    text. spread and seconds are there if any setting has them. with_test: also test_accuracy,
    test_accuracy_low and test_accuracy_high.
    """
    keys = short_keys(comparison)
    rows = []
    for index, (setting, score) in enumerate(
        zip(comparison.settings, comparison.scores, strict=True)
    ):
        row: dict[str, Any] = {"experiment": setting.name}
        row |= {name: _value(setting, key) for key, name in keys.items()}
        row |= {key: getattr(score, key) for key in ("accuracy", "low", "high", "spread", "loss")}
        row[PARAMETERS] = setting.runs[0].metrics[PARAMETERS]
        row["seconds"] = mean_seconds(setting)
        row[AGAINST_FIRST] = verdict(comparison, index)
        if with_test:
            row |= {f"test_{key}": value for key, value in scores_on_test(setting).items()}
        rows.append(row)
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")
    for name in keys.values():
        if not all(_is_number(value) for value in table[name]):
            table[name] = [shown(value) for value in table[name]]
    return table


def _value(setting: Setting, key: str) -> Any:
    return setting.runs[0].metrics[FROZEN] if key == DEPTH else setting.params[key]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
