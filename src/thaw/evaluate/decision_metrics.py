"""Measure the answers of a decision rule."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from thaw.decision import DecisionRule
from thaw.evaluate.metrics import accuracy, per_class
from thaw.evaluate.predictions import Predictions

COVERAGES = (0.99, 0.95, 0.90)  # at which the accuracy is stated


def decision_metrics(rule: DecisionRule, test: Predictions) -> Iterator[tuple[str, Any]]:
    """Metrics of the answers of `rule`: of all, and of those that are not left to a person."""
    answers, risk = rule.decide(test.probabilities)
    one_hot = np.eye(len(test.labels))[answers]
    yield from vars(rule).items()
    yield from accuracy(test.truth, one_hot)
    yield from per_class(test.truth, one_hot, test.labels)
    if rule.costs is not None:
        yield "mean_cost", float(np.mean(np.array(rule.costs)[test.truth, answers]))
    given = ~rule.abstains(risk)
    yield "coverage", float(np.mean(given))
    right = answers == test.truth
    yield "accuracy_of_given", float(np.mean(right[given])) if given.any() else None
    curve = risk_coverage(rule, test)
    yield "area_under_risk_coverage", float(curve["risk"].mean())
    for coverage in COVERAGES:
        count = int(np.ceil(coverage * len(risk)))
        yield f"accuracy_at_{100 * coverage:.0f}", 1 - float(curve["risk"].iloc[count - 1])


def risk_coverage(rule: DecisionRule, test: Predictions) -> pd.DataFrame:
    """Columns coverage and risk: the share of wrong answers among so many of the most certain.

    One row for each image. The mean of the risk is the area under the curve (Geifman et al. 2019).
    """
    answers, risk = rule.decide(test.probabilities)
    wrong = (answers != test.truth)[np.argsort(risk, kind="stable")]
    counts = np.arange(1, len(wrong) + 1)
    return pd.DataFrame({"coverage": counts / len(wrong), "risk": np.cumsum(wrong) / counts})
