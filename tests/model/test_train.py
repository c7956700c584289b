"""Training on cached activations: the best epoch stays, a killed run ends as if it had not been."""

import itertools
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from bases import MOBILENET, seeded_split

from thaw.errors import ThawError
from thaw.features.extract import Engine
from thaw.features.stored import Features
from thaw.model import checkpoint
from thaw.model.freeze import freeze
from thaw.model.network import as_graph, build_classifier, build_head
from thaw.model.saved import load_model, save_model
from thaw.model.train import Adam, Trainer, predict
from thaw.params import Train

SETTINGS = Train(
    freeze_till=145,
    pooling="average",
    head_solver="adam",
    hidden_units=[8],
    dropout=0.3,
    head_epochs=2,
    fine_tune_epochs=2,
    head_learning_rate=0.01,
    fine_tune_learning_rate=0.001,
    weight_decay=0.0,
    batch_size=16,
    patience=9,
)


tf.config.experimental.enable_op_determinism()  # as the stage does


def changed(**changes):
    return SETTINGS.model_copy(update=changes)


def network(hidden_units=SETTINGS.hidden_units):
    parts = seeded_split(MOBILENET, SETTINGS.freeze_till, SETTINGS.pooling, seed=4)
    return parts, build_head(parts.embedding_size, hidden_units, SETTINGS.dropout, 2)


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts, _ = network()
    rng = np.random.default_rng(2)
    label = np.tile(["Cat", "Dog"], 32)
    activations = rng.normal(size=(64, *parts.tail.input_shape[1:])).astype(np.float16)
    activations[label == "Dog"] += 1
    rows = pd.DataFrame({"label": label, "split": ["train"] * 48 + ["val"] * 16, "view": 0})
    rows["fold"] = np.arange(64) // 2 % 4
    embeddings = np.asarray(parts.tail(activations.astype(np.float32)))
    return Features(embeddings, activations, rows, {})


def trained(features, settings=SETTINGS, folder="work"):
    parts, head = network(settings.hidden_units)
    trainer = Trainer(features, ["Cat", "Dog"], settings, 4, Path(folder))
    _, progress = trainer.run(parts, head, split_rows(features.rows))
    return progress, parts, head


def split_rows(rows):
    return tuple(np.flatnonzero(rows["split"] == split) for split in ("train", "val"))


def weights(parts, head):
    return [*parts.base.get_weights(), *head.get_weights()]


def test_the_single_operation_of_adam_gives_what_keras_gives():
    rng = np.random.default_rng(3)
    images, labels = rng.normal(size=(64, 5)), rng.integers(0, 2, 64)
    weights = []
    for optimizer in (keras.optimizers.Adam, Adam):
        keras.utils.set_random_seed(4)
        head = build_head(5, [7], 0.0, 2)
        head.compile(optimizer(0.01, weight_decay=0.1), "sparse_categorical_crossentropy")
        head.fit(images, labels, batch_size=16, epochs=5, shuffle=False, verbose=0)
        weights.append(head.get_weights())
    for expected, found in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_weights_left_are_those_of_the_epoch_with_the_lowest_validation_loss(features):
    progress, parts, head = trained(features)
    losses = [entry["val_loss"] for entry in progress.history]
    assert progress.best_epoch == 1 + int(np.argmin(losses))
    assert [entry["phase"] for entry in progress.history] == ["head"] * 2 + ["fine-tuning"] * 2
    vectors = parts.tail(features.activations[48:].astype(np.float32))
    probabilities = np.asarray(head(vectors))[np.arange(16), np.tile([0, 1], 8)]
    assert -np.log(probabilities).mean() == pytest.approx(min(losses), rel=1e-4)


def test_the_last_phase_predicts_rows_of_the_activations(features):
    parts, head = network()
    trainer = Trainer(features, ["Cat", "Dog"], SETTINGS, 4, Path("work"))
    phase, _ = trainer.run(parts, head, split_rows(features.rows))
    rows = np.array([3, 50, 51])
    expected = head(parts.tail(features.activations[rows].astype(np.float32)))
    np.testing.assert_allclose(predict(phase, rows, 2), expected, rtol=1e-5)


SOLVED = {"head_solver": "lbfgs", "hidden_units": []}


def test_a_solved_head_counts_as_one_epoch_of_the_head_phase(features):
    progress, _, head = trained(features, changed(**SOLVED, fine_tune_epochs=0))
    [epoch] = progress.history
    assert (epoch["phase"], epoch["epoch"], progress.best_epoch) == ("head", 1, 1)
    for prefix, rows in (("", slice(48)), ("val_", slice(48, 64))):
        probabilities = np.asarray(head(features.embeddings[rows]))
        labels = np.tile([0, 1], 32)[rows]
        of_truth = probabilities[np.arange(len(labels)), labels]
        assert epoch[f"{prefix}loss"] == pytest.approx(-np.log(of_truth).mean(), rel=1e-4)
        assert epoch[f"{prefix}accuracy"] == (probabilities.argmax(axis=1) == labels).mean()


def test_a_solved_head_has_seen_no_image_of_val(features):
    settings = changed(**SOLVED, fine_tune_epochs=0)
    *_, head = trained(features, settings)
    features.rows.loc[48:, "label"] = ["Dog", "Cat"] * 8
    *_, other = trained(features, settings, folder="other")
    for one, same in zip(head.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_fine_tuning_starts_from_the_solved_head(features):
    settings = changed(**SOLVED, fine_tune_learning_rate=1e-9)
    progress, *_ = trained(features, settings)
    head, *tuned = progress.history
    assert [epoch["phase"] for epoch in tuned] == ["fine-tuning"] * 2
    assert tuned[0]["val_loss"] == pytest.approx(head["val_loss"], rel=1e-2)


@pytest.mark.parametrize("changes", [{}, SOLVED])
def test_two_runs_give_the_same_digits(features, changes):
    settings = changed(**changes)
    assert same(trained(features, settings), trained(features, settings, folder="other"))


def same(one, other):
    """Whether two results of `trained` have the same history and weights, to the last digit."""
    pairs = zip(weights(*one[1:]), weights(*other[1:]), strict=True)
    return one[0] == other[0] and all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("changes", [{}, SOLVED])
@pytest.mark.parametrize("writes", [1, 3, 5])  # an epoch writes its best, its latest, progress
def test_a_run_killed_between_two_writes_continues_and_ends_the_same(
    features, monkeypatch, writes, changes
):
    settings = changed(**changes)
    expected = trained(features, settings)
    write, number = checkpoint.atomic_write, itertools.count()

    def write_or_die(path):
        if next(number) == writes:
            raise KeyboardInterrupt
        return write(path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "atomic_write", write_or_die)
        with pytest.raises(KeyboardInterrupt):
            trained(features, settings, folder="killed")
    assert same(trained(features, settings, folder="killed"), expected)


def test_a_checkpoint_that_is_removed_in_part_counts_as_none(features):
    expected = trained(features)
    for path in Path("work").glob("*.npz"):
        path.unlink()
    assert same(trained(features), expected)


def test_a_damaged_checkpoint_is_named(features):
    short = changed(head_epochs=1, fine_tune_epochs=0)
    trained(features, short)
    for name in ("best-1.npz", "progress.json"):
        whole = Path("work", name).read_bytes()
        for content in (b"", whole[:-30]):
            Path("work", name).write_bytes(content)
            with pytest.raises(
                ThawError, match=r"work must be as .* delete it and run `dvc repro`"
            ):
                trained(features, short)
        Path("work", name).write_bytes(whole)


def test_features_that_do_not_fit_are_refused(features):
    with pytest.raises(ThawError, match="must have activations for the fine-tuning phase"):
        trained(replace(features, activations=None))
    features.rows.loc[3, "label"] = "Cow"
    with pytest.raises(ThawError, match="of the classes Cat, Dog, but some are of Cow"):
        trained(features)


def test_patience_ends_each_phase(features):
    features.rows.loc[48:, "label"] = ["Dog", "Cat"] * 8  # learning makes validation worse
    settings = changed(head_epochs=40, fine_tune_epochs=40, patience=2)
    progress, *_ = trained(features, settings)
    phases = [entry["phase"] for entry in progress.history]
    assert phases.count("head") == progress.best_epoch + 2 < 40
    assert phases.count("fine-tuning") == 2


def test_a_loss_that_is_not_finite_stops_with_its_epoch_and_step(features):
    with pytest.raises(ThawError, match=r"must be finite.* epoch 1, step \d"):
        trained(features, changed(head_learning_rate=1e38))


def test_only_what_is_not_frozen_changes(features):
    before = network()[0].base.get_weights()
    _, parts, _ = trained(features)
    frozen = sum(len(layer.weights) for layer in parts.base.layers[:145])
    changed = [
        not np.array_equal(old, new)
        for old, new in zip(before, parts.base.get_weights(), strict=True)
    ]
    assert not any(changed[:frozen])
    assert any(changed[frozen:])


def test_with_the_whole_base_frozen_only_the_head_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = seeded_split(MOBILENET, "all", "average", seed=4)
    head = build_head(parts.embedding_size, SETTINGS.hidden_units, SETTINGS.dropout, 2)
    rows = pd.DataFrame({"label": ["Cat", "Dog"] * 16, "split": ["train"] * 24 + ["val"] * 8})
    vectors = np.random.default_rng(2).normal(size=(32, parts.embedding_size)).astype(np.float32)
    features = Features(vectors, None, rows, {})
    trainer = Trainer(features, ["Cat", "Dog"], SETTINGS, 4, Path("work"))
    _, progress = trainer.run(parts, head, split_rows(rows))
    assert [entry["phase"] for entry in progress.history] == ["head"] * SETTINGS.head_epochs


def test_training_on_cached_activations_is_training_the_whole_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(3).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    rows = pd.DataFrame({"label": ["Cat", "Dog"] * 32, "split": ["train"] * 48 + ["val"] * 16})
    images[1::2, :16] //= 2  # something to learn
    cached, one = network()
    graph = as_graph(cached.base, "MobileNetV2")
    embeddings, activations = (
        np.stack(list(Engine(model, "float32", "float32").run(images)))
        for model in (graph.embedder(SETTINGS.pooling), graph.prefix(cached.cut))
    )
    whole, other = network()
    of_images = seeded_split(MOBILENET, 0, SETTINGS.pooling, seed=4)
    freeze(of_images.base, SETTINGS.freeze_till)
    whole = replace(whole, base=of_images.base, tail=of_images.tail)
    losses = []
    for parts, head, inputs in (
        (cached, one, activations),
        (whole, other, images),
    ):
        features = Features(embeddings, inputs, rows, {})
        folder = Path(str(inputs.dtype))
        trainer = Trainer(features, ["Cat", "Dog"], SETTINGS, 4, folder)
        _, progress = trainer.run(parts, head, split_rows(rows))
        losses.append([(entry["loss"], entry["val_loss"]) for entry in progress.history])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][0] != losses[0][-1]
    for left, right in zip(weights(cached, one), weights(whole, other), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


def test_the_saved_model_is_the_same_bytes_and_predicts_the_same_when_loaded(tmp_path):
    parts, head = network()
    model = build_classifier(parts.base, "MobileNetV2", "average", head)
    for name in ("one", "other"):
        save_model(model, tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    loaded = load_model(tmp_path / "one.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


def test_a_trained_model_is_saved_without_anything_that_only_this_package_knows(features):
    _, parts, head = trained(features)
    save_model(build_classifier(parts.base, "MobileNetV2", "average", head), Path("model.keras"))
    config = zipfile.ZipFile("model.keras").read("config.json").decode()
    assert "thaw" not in config and "optimizer" not in config
