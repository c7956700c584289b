"""What a sweep has found: its ranking, what is chosen, and whether that is shown to be better."""

from collections.abc import Sequence
from typing import Any

from thaw.evaluate.metrics import HEADLINE
from thaw.experiments import comparison_table
from thaw.experiments.board import Board
from thaw.experiments.compare import Comparison, Ranking, compare
from thaw.experiments.sweep import Outcome, Plan


def as_json(
    plan: Plan, board: Board, ranking: Ranking | None, failed: Sequence[Outcome]
) -> dict[str, Any]:
    """All settings and pairs as `thaw compare --json` has them, and what is chosen."""
    errors = [{"experiment": one.point.name, "error": one.error} for one in failed]
    left = len(plan.points) - len(board.done) - len(failed)
    counts = {"points": len(plan.points), "left": left, "failed": errors}
    if ranking is None:
        return {**counts, "chosen": None}
    chosen = {"experiment": ranking.best.name, "test": of_test(ranking.best.metrics)}
    comparison = compare(ranking.runs, strict=False)
    compared = comparison_table.as_json(comparison, with_test=False)
    compared["left_out"] = [*compared["left_out"], *board.left_out]
    return {**counts, "chosen": chosen, "verdict": verdict(comparison), **compared}


def of_test(metrics: dict[str, Any]) -> dict[str, Any]:
    """The headline metrics of the test split."""
    return {key: metrics[key] for key in HEADLINE if key in metrics and not key.startswith("val_")}


def verdict(comparison: Comparison) -> str | None:
    """Whether the best setting is shown to be better than the second; None if there is no pair."""
    if pair := comparison.with_best(1):
        first, second = comparison.settings[:2]
        return f"{first.label} and {second.label}: {comparison_table.sentence(pair)}"
    return None
