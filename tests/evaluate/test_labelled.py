"""Answers to labelled images, counted: the figures of scikit-learn on the images themselves."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from thaw.errors import ThawError
from thaw.evaluate.labelled import LabelledAnswers, as_text

LABELS = ["Cat", "Dog", "犬"]


def counted(truth, answers, abstains):
    found = LabelledAnswers(LABELS)
    for one in zip(truth, answers, abstains, strict=True):
        found.add(*one)
    return found


def test_the_figures_are_those_of_the_images():
    rng = np.random.default_rng(0)
    truth, answers = rng.choice(LABELS, 300, p=[0.5, 0.3, 0.2]), rng.choice(LABELS, 300)
    abstains = rng.random(300) < 0.2
    report = counted(truth, answers, abstains).report()
    assert report["n"] == 300 and report["abstained"] == abstains.sum()
    assert report["accuracy"]["value"] == accuracy_score(truth, answers)
    given = accuracy_score(truth[~abstains], answers[~abstains])
    assert report["accuracy_of_given"]["value"] == given
    assert report["confusion"] == confusion_matrix(truth, answers, labels=LABELS).tolist()
    scores = f1_score(truth, answers, labels=LABELS, average=None)
    assert [report["classes"][label]["f1"] for label in LABELS] == pytest.approx(scores)
    errors = confusion_matrix(truth, answers, labels=LABELS) * (1 - np.eye(3))
    assert [pair["images"] for pair in report["confused"]] == sorted(
        errors[errors > 0], reverse=True
    )


def test_what_is_left_out_is_said():
    found = counted(["Cat", "Cat", "Bus", None], ["Cat", None, "Dog", "Dog"], [False] * 4)
    report = found.report()
    assert (report["n"], report["failed"], report["without_label"]) == (1, 1, 2)
    assert report["accuracy"]["value"] == 1 and report["confused"] == []
    text = as_text(report)
    assert "accuracy 1.0000" in text and "failed: 1" in text and "without label: 2" in text


def test_no_label_among_the_classes_is_one_line():
    with pytest.raises(ThawError, match="among the classes Cat, Dog, 犬, but are Bus, None"):
        counted(["Bus", None], ["Cat", "Cat"], [False] * 2).report()


def test_many_classes_have_no_matrix():
    found = LabelledAnswers([f"class {k}" for k in range(40)])
    found.add("class 3", "class 7", False)
    text = as_text(found.report())
    assert "class 3 taken for class 7: 1" in text and "as class" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_class_names_with_brackets_are_shown_as_they_are():
    found = LabelledAnswers(["[red]", "[/b]"])
    found.add("[red]", "[/b]", False)
    assert "[red] taken for [/b]: 1" in as_text(found.report())
