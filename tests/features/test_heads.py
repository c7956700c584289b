"""Heads without TensorFlow: the solved one is the optimum, and Adam's is that of Keras."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from thaw.errors import ThawError
from thaw.features.adam_head import AdamSettings, train_head
from thaw.features.embedded import Embedded, class_indices, log_losses, softmax
from thaw.features.head import DenseHead
from thaw.features.linear_head import choose_strength, solve
from thaw.model.keras_head import build_head, head_like
from thaw.model.train import Adam, ArrayDataset, batches

SETTINGS = AdamSettings([], 0.0, 4, 0.01, 0.05, batch_size=16, patience=9, seed=6)


def examples(classes=3, count=120, seed=0):
    """Images of overlapping classes, each with one view, in 4 folds."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    embeddings = rng.normal(size=(count, 10)) + 2 * np.eye(10)[labels]
    views = embeddings + 0.1 * rng.normal(size=embeddings.shape)
    fold = rng.integers(0, 4, count)
    return Embedded(
        5 + 3 * np.concatenate([embeddings, views]).astype(np.float32),
        np.tile(labels, 2),
        np.tile(fold, 2),
        np.repeat([0, 1], count),
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_the_solved_layer_has_the_lowest_loss_with_its_penalty(classes):
    data = examples(classes)
    head, strength = solve(data)
    deviation = data.embeddings.std(axis=0)

    def objective(kernel, bias):
        scores = data.embeddings @ kernel + bias
        losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(240), data.labels]
        weights = kernel * deviation[:, None]
        if classes == 2:  # scikit-learn penalises the difference
            weights = weights[:, 1] - weights[:, 0]
        return strength * losses.sum() + (weights**2).sum() / 2

    kernel, bias = (weight.astype(np.float64) for weight in head.weights)
    lowest = objective(kernel, bias)
    rng = np.random.default_rng(1)
    for _ in range(20):
        step, shift = 0.02 * rng.normal(size=kernel.shape), 0.02 * rng.normal(size=bias.shape)
        if classes == 2:
            step[:, 0] = -step[:, 1]
        assert objective(kernel + step, bias + shift) > lowest
    np.testing.assert_allclose(
        head.weights[0].sum(axis=1), 0, atol=1e-3
    )  # no class without weights


def test_the_solved_layer_is_the_same_each_time_and_that_of_a_dense_layer():
    data = examples()
    (head, strength), (again, other) = solve(data), solve(data)
    assert np.array_equal(head.weights[0], again.weights[0]) and strength == other
    expected = head_like(head, dropout=0.5).predict(data.embeddings, verbose=0)
    np.testing.assert_allclose(head.probabilities(data.embeddings), expected, atol=1e-5)


def test_the_strength_is_weaker_for_labels_that_say_less():
    data = examples()
    noise = np.random.default_rng(1).permutation(120) % 3
    assert choose_strength(replace(data, labels=np.tile(noise, 2))) < choose_strength(data)


def test_an_image_and_its_views_are_left_out_together():
    rest, held_out = examples().leave_out(2)
    assert 2 not in rest.fold and set(rest.view) == {0, 1}
    assert set(held_out.fold) == {2} and set(held_out.view) == {0}


def test_a_constant_column_gets_no_weight():
    data = examples()
    data.embeddings[:, 4] = 7
    kernel, _ = solve(data)[0].weights
    assert np.isfinite(kernel).all()
    np.testing.assert_array_equal(kernel[4], 0)


def test_a_class_in_one_fold_only_is_one_line():
    data = examples()
    data.fold[data.labels == 1] = 0
    with pytest.raises(ThawError, match=r"in two folds or more .* but 1 have .* adam") as error:
        solve(data)
    assert len(str(error.value).splitlines()) == 1


def test_an_unknown_label_is_named():
    with pytest.raises(ThawError, match="of the classes Cat, Dog, but some are of Cow"):
        class_indices(pd.Series(["Cat", "Cow"]), ["Cat", "Dog"])


@pytest.mark.parametrize("hidden_units", [[], [7], [7, 5]])
def test_adam_in_numpy_is_adam_in_keras(hidden_units):
    data = examples()
    train, val = data.where(data.fold > 0), data.where(data.fold == 0)
    head = DenseHead.initial([10, *hidden_units, 3], seed=4)
    model = build_head(10, hidden_units, 0.0, 3)
    model.set_weights(head.weights)
    model.compile(Adam(0.01, weight_decay=0.05), "sparse_categorical_crossentropy")
    rows = np.arange(len(train.labels))
    order = batches(ArrayDataset(train.embeddings, rows, train.labels), 16, seed=6)
    model.fit(order, epochs=4, shuffle=False, verbose=0)
    found, _ = train_head(head, train, val, SETTINGS)
    assert found.weights[0] is not head.weights[0]
    for expected, weight in zip(model.get_weights(), head.weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-5)


def test_dropped_units_have_no_gradient_and_the_others_a_larger_one():
    data = examples()
    head = DenseHead.initial([10, 6, 3], seed=1)
    dropped = np.tile(np.float32([0, 2, 2, 0, 2, 2]), (240, 1))
    _, (kernel, bias, last, _) = head.gradients(data.embeddings, data.labels, dropped)
    for gradient in (kernel.T, bias, last):
        assert not gradient[[0, 3]].any() and gradient[[1, 2, 4, 5]].any()
    step = np.float32(1e-2)
    scores = lambda: np.maximum(data.embeddings @ head.weights[0] + head.weights[1], 0) * dropped  # noqa: E731

    def loss():
        found = softmax(scores() @ head.weights[2] + head.weights[3])
        return log_losses(found, data.labels).mean()

    head.weights[1][2] += step
    above = loss()
    head.weights[1][2] -= 2 * step
    assert (above - loss()) / (2 * step) == pytest.approx(bias[2], rel=0.05)


def test_the_head_of_the_best_epoch_on_validation_is_returned():
    data = examples()
    data = replace(data, embeddings=(data.embeddings - 5) / 3)
    train, val = data.where(data.fold > 0), data.where(data.fold == 0)
    wrong = replace(val, labels=(val.labels + 1) % 3)  # learning makes validation worse
    losses = []
    for epochs in (1, 50):
        settings = replace(SETTINGS, epochs=epochs, patience=2)
        found, _ = train_head(DenseHead.initial([10, 3], seed=1), train, wrong, settings)
        losses.append(log_losses(found.probabilities(wrong.embeddings), wrong.labels))
    np.testing.assert_array_equal(*losses)


def test_a_loss_that_is_not_finite_is_one_line():
    data = examples()
    head = DenseHead.initial([10, 3], seed=1)
    data.embeddings[0, 0] = np.nan
    with pytest.raises(ThawError, match=r"must be finite.* epoch 1, step \d"):
        train_head(head, data, data, SETTINGS)
