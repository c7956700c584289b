"""Shares that a limit refuses, and the area under the ROC curve, with their intervals."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score

from thaw.evaluate.unknown_metrics import separation, unknown_metrics


def test_by_hand():
    found = dict(unknown_metrics(np.arange(10.0), 7.5, np.array([3.0, 8, 9, 10])))
    assert found["refused"]["value"] == 0.2
    assert found["others_refused"]["value"] == 0.75
    assert found["roc_auc"]["value"] == pytest.approx((3.5 + 8.5 + 9.5 + 10) / 40)
    assert 0 < found["refused"]["low"] < 0.2 < found["refused"]["high"] < 0.6
    assert set(dict(unknown_metrics(np.arange(10.0), 7.5, None))) == {"limit", "refused"}


def test_the_interval_of_the_area_is_about_that_of_the_bootstrap():
    rng = np.random.default_rng(0)
    known, others = rng.normal(0, 1, 300), rng.normal(2, 1, 200)
    found = separation(known, others)

    def area(first, second):
        return roc_auc_score(np.repeat([0, 1], [300, 200]), np.concatenate([first, second]))

    drawn = bootstrap((known, others), area, n_resamples=300, method="percentile", rng=0)
    interval = drawn.confidence_interval
    assert found["low"] == pytest.approx(interval.low, abs=0.01)
    assert found["high"] == pytest.approx(interval.high, abs=0.01)


def test_all_or_none_refused_have_an_interval():
    scores = np.arange(50.0)
    none, every = (dict(unknown_metrics(scores, at, None))["refused"] for at in (100, -1))
    assert none["value"] == 0 < none["high"] < 0.1
    assert every["value"] == 1 > every["low"] > 0.9
    assert separation(scores, scores + 100) == {"value": 1.0, "low": 1.0, "high": 1.0}
