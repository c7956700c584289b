"""The unknown score: what is far scores high, and a limit out of fold refuses the share asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaw.errors import ThawError
from thaw.evaluate import unknown
from thaw.evaluate.unknown import SLACK, fit, limit, out_of_fold, over_positions, score

CHANNELS = 40


def known(count, seed=0, channels=CHANNELS):
    """Embeddings like those of photographs: not negative, of falling variance, in two classes."""
    rng = np.random.default_rng(seed)
    spread = np.exp(-np.arange(channels) / 8)
    shift = 3 * np.eye(channels)[np.arange(count) % 2]
    return np.abs(2 + shift + rng.normal(size=(count, channels)) * spread).astype(np.float32)


def others(count, seed=1):
    """Embeddings that vary in the directions in which the known ones do not."""
    return known(count, seed)[:, ::-1]


def test_what_is_far_scores_higher_than_all_that_is_known():
    reference = fit(known(300))
    assert score(reference, others(100)).min() > score(reference, known(200, seed=2)).max()


def test_the_farther_away_the_higher():
    reference, away = fit(known(300)), others(1) - known(1)
    steps = known(1) + np.linspace(0, 1, 9)[:, None] * away
    assert (np.diff(score(reference, steps)) > 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.1, 0.3]))
def test_a_limit_out_of_fold_refuses_about_the_share_asked(seed, refuse):
    scores = out_of_fold(known(500, seed), np.arange(500) % 5)
    found = limit(scores, refuse)
    assert (scores > found).mean() <= refuse
    share = (score(fit(known(500, seed)), known(2000, [seed, 1])) > found).mean()
    assert abs(share - refuse) < 0.02 + refuse / 3


@given(st.lists(st.floats(0, 9), min_size=1), st.floats(0.001, 0.999))
def test_at_most_the_share_asked_lies_above_the_limit(scores, refuse):
    found = limit(np.array(scores), refuse)
    assert any(score <= found <= score * (1 + SLACK) for score in scores)
    assert (np.array(scores) > found).sum() <= refuse * len(scores) * (1 + 1e-9)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_few_images_give_finite_scores(count, dtype):
    reference = fit(known(count).astype(dtype))
    scores = score(reference, np.concatenate([known(20), others(20)]).astype(dtype))
    assert np.isfinite(scores).all() and scores.dtype == np.float32 and scores.shape == (40,)


@pytest.mark.parametrize("value", [0, 7])
def test_constant_features_give_finite_scores(value):
    same = np.full((12, CHANNELS), value, np.float16)
    assert np.isfinite(out_of_fold(same, np.arange(12) % 3)).all()
    scores = score(fit(same), np.concatenate([same[:1], others(1)]))
    assert np.isfinite(scores).all() and scores[0] < scores[1]


def test_one_channel_and_no_image_to_score():
    assert np.isfinite(score(fit(np.ones((3, 1))), np.zeros((2, 1)))).all()
    assert score(fit(known(3)), known(0)).shape == (0,)


def test_a_value_that_is_not_finite_and_no_image_are_refused_in_one_line():
    damaged = known(5)
    damaged[3, 2] = np.nan
    with pytest.raises(ThawError, match=r"^the unknown score needs .* 5, 1 of which are not fin"):
        fit(damaged)
    with pytest.raises(ThawError, match="got 0"):
        fit(known(0))


def test_the_reference_is_bounded(monkeypatch):
    reference = fit(known(700, channels=600))
    assert reference.directions.shape == (600, unknown.DIRECTIONS)
    monkeypatch.setattr(unknown, "REFERENCES", 90)
    reference = fit(known(300))
    assert reference.references.shape == (90, CHANNELS // 2)
    assert reference.megabytes == pytest.approx((4 * 40 + 2 * 40 * 20 + 2 * 90 * 20 + 8) / 1e6)
    assert score(reference, others(9)).min() > score(reference, known(99, seed=2)).max()


def test_the_same_images_give_the_same_bits_and_an_image_does_not_depend_on_the_others():
    first, second = fit(known(300)), fit(known(300))
    for name, array in vars(first).items():
        np.testing.assert_array_equal(array, getattr(second, name))
    scores = score(first, others(5))
    np.testing.assert_array_equal(scores, score(second, others(5)))
    alone = np.concatenate([score(first, row[None]) for row in others(5)])
    np.testing.assert_allclose(alone, scores, rtol=1e-5)


def test_a_flattened_map_is_averaged_over_its_positions():
    maps = np.random.default_rng(0).random((6, 2, 3, 4)).astype(np.float16)
    found = over_positions(maps.reshape(6, -1), 6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, maps.mean(axis=(1, 2), dtype=np.float32), rtol=1e-6)
    np.testing.assert_array_equal(over_positions(found, 1), found)
