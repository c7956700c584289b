"""The decision rule: each aim against a search over all thresholds, and what abstaining leaves."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from thaw.decision import DecisionRule
from thaw.errors import ThawError
from thaw.evaluate.decision_metrics import decision_metrics, risk_coverage
from thaw.evaluate.decision_rule import choose_rule, cost_matrix
from thaw.evaluate.predictions import Predictions


def two_classes(truth, scores):
    """Predictions of Cat and Dog; scores: probabilities of Dog."""
    scores = np.array(scores, np.float32)
    names = [f"{i}.jpg" for i in range(len(scores))]
    split = np.full(len(scores), "out-of-fold", dtype=object)
    probabilities = np.stack([1 - scores, scores], axis=1)
    return Predictions(["Cat", "Dog"], names, split, np.array(truth, int), probabilities)


def test_the_threshold_by_hand():
    # Any threshold between 0.2 and 0.7 answers all four right; 0.5 is there.
    four = two_classes([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9])
    assert choose_rule(four, "accuracy", {}, 0.0).threshold == 0.5
    # At 0.5 eight cats would be dogs; at 0.65 all are right.
    many = two_classes([0] * 9 + [1] * 9, [0.45, *[0.6] * 8, *[0.7] * 8, 0.9])
    assert choose_rule(many, "accuracy", {}, 0.0).threshold == pytest.approx(0.65)
    # One error more or less says nothing.
    few = two_classes([0, 0, 0, 1, 1, 1, 1], [0.3, 0.4, 0.55, 0.6, 0.7, 0.1, 0.2])
    assert choose_rule(few, "accuracy", {}, 0.0).threshold == 0.5
    # A Dog that is called a Cat costs much, so it takes little to answer Dog.
    four = two_classes([0, 0, 1, 1], [0.05, 0.1, 0.7, 0.9])
    rule = choose_rule(four, "costs", {"Dog→Cat": 4}, 0.0)
    assert rule.threshold == 0.2 and rule.costs == [[0, 1], [4, 0]]
    rule = choose_rule(four, "costs", {"Cat→Dog": 4}, 0.0)
    assert rule.threshold == pytest.approx(0.4)  # of those that answer all right


AIMS = {
    "accuracy": lambda truth, answers: np.mean(truth == answers),
    "f1": lambda truth, answers: f1_score(truth, answers, average="macro", zero_division=0),
    "costs": lambda truth, answers: -np.mean((answers != truth) * np.where(truth == 1, 5, 2)),
}
COSTS = {"Dog→Cat": 5.0, "Cat→Dog": 2.0}
cases = st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=2, max_size=30)


@settings(deadline=None)
@given(cases, st.sampled_from(sorted(AIMS)))
def test_no_threshold_is_much_better_for_its_aim(drawn, aim):
    fitting = two_classes(*zip(*drawn, strict=True))
    if len(set(fitting.truth)) < 2:
        return
    rule = choose_rule(fitting, aim, COSTS if aim == "costs" else {}, 0.0)
    found = AIMS[aim](fitting.truth, rule.decide(fitting.probabilities)[0])
    # All thresholds between consecutive scores are equivalent, so testing the scores is enough.
    others = [*fitting.probabilities[:, 1].astype(np.float64), 0.0]
    answers = [DecisionRule(threshold=other).decide(fitting.probabilities)[0] for other in others]
    best = max(answers, key=lambda each: AIMS[aim](fitting.truth, each))
    allowed = 0.0
    if aim != "f1":  # one standard error
        costs = (best != fitting.truth) * np.where(fitting.truth == 1, 5, 2) ** (aim == "costs")
        allowed = costs.std() / np.sqrt(len(costs))
    assert found >= AIMS[aim](fitting.truth, best) - allowed - 1e-9


@settings(deadline=None)
@given(cases, st.sampled_from(["Cat", "Dog"]), st.floats(0.5, 1), st.booleans())
def test_a_share_is_reached_at_the_least_cost(drawn, label, least, is_precision):
    fitting = two_classes(*zip(*drawn, strict=True))
    if len(set(fitting.truth)) < 2:
        return
    k = fitting.labels.index(label)
    first, second = precision_score, recall_score

    def scores(rule):
        answers = rule.decide(fitting.probabilities)[0]
        found = [
            measure(fitting.truth, answers, pos_label=k, zero_division=0)
            for measure in (first, second)
        ]
        others = np.mean(answers[fitting.truth != k] != k)
        return (found[0], found[1]) if is_precision else (found[1], others)

    aim = f"{'precision' if is_precision else 'recall'}>={least:.6f} of {label}"
    reachable = [
        scores(DecisionRule(threshold=other))
        for other in [*fitting.probabilities[:, 1].astype(np.float64), 0.0]
    ]
    reachable = [gain for share, gain in reachable if share >= float(f"{least:.6f}")]
    try:
        rule = choose_rule(fitting, aim, {}, 0.0)
    except ThawError as error:
        assert "must be within reach" in str(error) and not any(reachable)
        return
    share, gain = scores(rule)
    assert share >= float(f"{least:.6f}") and gain == pytest.approx(max(reachable))


@pytest.mark.parametrize(
    ("aim", "costs", "abstain", "message"),
    [
        ("recall>=0.9 of Cow", {}, 0.0, "must name one of Cat, Dog, but names Cow"),
        ("costs", {"Cat→Cow": 1.0}, 0.0, "two different classes of Cat, Dog.* names Cat→Cow"),
        ("costs", {"Cat→Cat": 1.0}, 0.0, "two different classes"),
        ("precision>=1 of Dog", {}, 0.0, "highest precision of Dog is 0.5000, not 1: lower it"),
        ("accuracy", {}, "accuracy>=1", "the most certain is 0.5000, not 1.0: lower it"),
    ],
)
def test_what_cannot_be_reached_or_does_not_exist_is_said(aim, costs, abstain, message):
    fitting = two_classes([0, 1, 0, 1], [0.6] * 4)
    with pytest.raises(ThawError, match=message):
        choose_rule(fitting, aim, costs, abstain)


def test_more_than_two_classes_take_costs_or_the_maximum(make_predictions):
    fitting = make_predictions(3, 300).subset("val")
    rule = choose_rule(fitting, "accuracy", {}, 0.0)
    assert rule == DecisionRule()
    np.testing.assert_array_equal(rule.decide(fitting.probabilities)[0], fitting.predicted)
    with pytest.raises(ThawError, match="accuracy or costs for more than two classes, but is f1"):
        choose_rule(fitting, "f1", {}, 0.0)
    rule = choose_rule(fitting, "costs", {"Dog→Cat": 50.0}, 0.0)
    matrix = cost_matrix(fitting.labels, {"Dog→Cat": 50.0})
    assert matrix.tolist() == [[0, 1, 1], [50, 0, 1], [1, 1, 0]]
    cost = [
        matrix[fitting.truth, answers].mean()
        for answers in (rule.decide(fitting.probabilities)[0], fitting.predicted)
    ]
    assert cost[0] < cost[1]
    metrics = dict(decision_metrics(rule, fitting))
    assert metrics["mean_cost"] == pytest.approx(cost[0])


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(0, 50), st.floats(0.01, 0.5))
def test_abstaining_leaves_the_certain_ones(make_predictions, classes, seed, share):
    fitting = make_predictions(classes, 100, seed).subset("val")
    rule = choose_rule(fitting, "accuracy", {}, share)
    answers, risk = rule.decide(fitting.probabilities)
    left = rule.abstains(risk)
    assert left.mean() <= share + 1e-9
    assert not left.any() or risk[left].min() > risk[~left].max()
    metrics = dict(decision_metrics(rule, fitting))
    assert metrics["coverage"] == pytest.approx(1 - left.mean())
    right = answers == fitting.truth
    assert metrics["accuracy_of_given"] == pytest.approx(right[~left].mean())
    target = right.mean() + (1 - right.mean()) / 2
    rule = choose_rule(fitting, "accuracy", {}, f"accuracy>={target:.4f}")
    left = rule.abstains(risk)
    assert right[~left].mean() >= target - 1e-4


def test_at_the_threshold_both_answers_are_equally_risky():
    rule = DecisionRule(threshold=0.2)
    scores = np.array([0.05, 0.2, 0.2 + 1e-9, 0.9])
    answers, risk = rule.decide(np.stack([1 - scores, scores], axis=1))
    assert answers.tolist() == [0, 0, 1, 1]
    assert risk[1] == pytest.approx(risk[2]) and risk[1] == risk.max()


def test_the_risk_coverage_curve_ends_at_the_error_rate(make_predictions):
    test = make_predictions(3, 200).subset("test")
    curve = risk_coverage(DecisionRule(), test)
    assert curve["coverage"].iloc[-1] == 1
    assert curve["risk"].iloc[-1] == pytest.approx(np.mean(test.predicted != test.truth))
    metrics = dict(decision_metrics(DecisionRule(), test))
    assert metrics["area_under_risk_coverage"] < curve["risk"].iloc[-1]
    assert metrics["accuracy_at_90"] > metrics["accuracy_at_99"] >= metrics["accuracy"]


def test_choices_take_only_the_fitting_images(make_predictions):
    predictions = make_predictions(2)
    test = predictions.split == "test"
    swapped = predictions.probabilities.copy()
    swapped[test] = swapped[test][:, ::-1]
    other = dataclasses.replace(predictions, probabilities=swapped)
    rules = [choose_rule(each.subset("val"), "f1", {}, 0.1) for each in (predictions, other)]
    assert rules[0] == rules[1]
