"""Paired tests, checked against brute force, their symmetries, and simulated experiments."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from thaw.experiments.statistics import (
    bootstrap_interval,
    exact_p_value,
    holm,
    smallest_difference,
    tango_lower,
    wilson_interval,
)

COUNTS = st.integers(0, 60)
GROUPS = st.lists(st.tuples(st.integers(-3, 3), st.integers(3, 5)), min_size=1, max_size=12)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


def arrays(groups):
    return tuple(np.array(groups).T)


@given(COUNTS, COUNTS, COUNTS)
def test_with_one_answer_an_image_it_is_the_exact_mcnemar_test(first, second, both):
    differences = np.repeat([1, -1, 0], [first, second, both])
    expected = binomtest(first, first + second).pvalue if first + second else 1
    assert exact_p_value(differences) == pytest.approx(expected)


@given(GROUPS)
def test_with_several_answers_it_is_the_share_of_signs_with_as_large_a_sum(groups):
    differences, _ = arrays(groups)
    signed = np.array(list(product([1, -1], repeat=len(differences)))) @ differences
    expected = np.mean(np.abs(signed) >= abs(differences.sum()))
    assert exact_p_value(differences) == pytest.approx(expected)


@given(GROUPS, st.sampled_from([0.05, 0.01, 0.2]))
def test_the_smallest_difference_is_where_the_test_turns(groups, level):
    differences, answers = arrays(groups)
    smallest = smallest_difference(differences, answers, level)
    seen = abs(differences.sum()) / answers.sum()
    assert (exact_p_value(differences) <= level) == (seen >= smallest)
    assert smallest == smallest_difference(-differences, answers, level) > 0
    signed = np.array(list(product([1, -1], repeat=len(differences)))) @ differences
    sums, counts = np.unique(np.abs(signed), return_counts=True)
    p_values = np.cumsum(counts[::-1])[::-1] / len(signed)
    possible = sums[(p_values <= level) & (sums > 0)] / answers.sum()
    assert not len(possible) or smallest == possible[0]


def test_too_few_disagreements_show_nothing_and_six_on_one_side_do():
    answers = np.ones(40, int)
    assert exact_p_value(np.repeat([1, 0], [5, 35])) > 0.05
    assert exact_p_value(np.repeat([1, 0], [6, 34])) < 0.05
    assert smallest_difference(np.repeat([1, 0], [5, 35]), answers, 0.05) == 6 / 40
    assert smallest_difference(np.repeat([1, -1, 0], [3, 3, 34]), answers, 0.05) == 6 / 40


@given(GROUPS)
def test_swapping_the_two_mirrors_the_interval_and_keeps_the_p_value(groups):
    differences, answers = arrays(groups)
    low, high = bootstrap_interval(differences, answers)
    assert bootstrap_interval(-differences, answers) == (-high, -low)
    assert -1 <= low <= high <= 1
    assert exact_p_value(-differences) == exact_p_value(differences)


def test_duplicates_make_the_interval_wider_than_as_many_separate_images():
    differences = np.repeat([1, -1, 0], [20, 10, 170])
    alone = np.subtract(*bootstrap_interval(differences, np.ones(200, int))[::-1])
    grouped = np.subtract(*bootstrap_interval(2 * differences[::2], np.full(100, 2))[::-1])
    assert grouped == pytest.approx(alone * 2**0.5, rel=0.1)


@given(P_VALUES)
def test_holm_keeps_the_order_and_rejects_as_step_by_step(p_values):
    adjusted, levels = holm(p_values, 0.05)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (p_values <= adjusted).all() and (adjusted <= 1).all()
    passed = np.logical_and.accumulate(p_values[order] <= levels[order])
    assert np.array_equal(adjusted[order] <= 0.05, passed) or np.isclose(adjusted, 0.05).any()


def test_holm_of_a_published_example():
    adjusted, _ = holm(np.array([0.01, 0.04, 0.03, 0.005]), 0.05)
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_of_an_accuracy_is_wilsons(images, share):
    right = round(share * images)
    expected = binomtest(right, images).proportion_ci(0.95, "wilson")
    found = wilson_interval(right / images, images)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-6)


def simulated(rng, gain):
    """Groups of 1 to 3 duplicates, 3 runs of each setting: a run follows the group's difficulty.

    Answers within a group are alike, as those of duplicates and of one setting's seeds are.
    gain: how much more often the first setting is right.
    """
    sizes = rng.integers(1, 4, 150)
    hard, taste = rng.random(150), rng.random((2, 150))
    chance = np.where(hard < 0.3, taste > [[0.5 - gain], [0.5]], 1.0)  # per setting and group
    right = rng.binomial(3 * sizes, 0.02 + 0.96 * chance)
    return right[0] - right[1], 3 * sizes


def rate_of_better(gain, rounds=1000):
    rng = np.random.default_rng(1)
    return np.mean([exact_p_value(simulated(rng, gain)[0]) <= 0.05 for _ in range(rounds)])


def test_equal_settings_are_told_apart_in_at_most_one_of_twenty():
    assert 0.02 < rate_of_better(0) <= 0.05


def test_a_better_setting_is_found():
    assert rate_of_better(0.4, rounds=100) > 0.9


def test_the_interval_covers_the_difference_in_about_19_of_20():
    rng = np.random.default_rng(2)
    ranges = np.array([bootstrap_interval(*simulated(rng, 0)) for _ in range(100)])
    assert 0.9 <= np.mean((ranges[:, 0] <= 0) & (ranges[:, 1] >= 0)) <= 0.99


def test_tangos_interval_is_exact_without_disagreement_and_narrows():
    assert tango_lower(0, 0, 0) == -1 and tango_lower(0, 10, 10) == -1
    for n in (1, 40, 5000):
        assert tango_lower(0, 0, n) == pytest.approx(-(1.959964**2) / (n + 1.959964**2))
    lows = [tango_lower(3 * k, 2 * k, 100 * k) for k in (1, 10, 100)]
    assert lows == sorted(lows) and lows[-1] < 0.01
    # With many images it is Wald's: (b - c) / n - z sqrt(b + c - (b - c)² / n) / n.
    wald = 0.01 - 1.959964 * math.sqrt(0.05 - 0.01**2) / math.sqrt(10_000)
    assert lows[-1] == pytest.approx(wald, abs=1e-4)


def test_a_bundle_that_is_worse_by_the_margin_passes_in_one_of_forty():
    rng, n, q = np.random.default_rng(0), 400, 0.02
    drawn = rng.multinomial(n, [q, q + 0.02, 1 - 2 * q - 0.02], 4000)
    pairs, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    passed = [tango_lower(gained, lost, n) > -0.02 for gained, lost in pairs.tolist()]
    assert 0.015 < counts[passed].sum() / 4000 < 0.03
