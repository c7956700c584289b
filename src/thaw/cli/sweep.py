"""`thaw sweep`: run a grid of params as DVC experiments."""

import re
import shutil
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from thaw.experiments.results import Ranking, Scoreboard
    from thaw.experiments.sweep import Outcome, Plan

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
MOST_ROWS = 40  # of the table of points


def sweep(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE,VALUE...]...",
            help="Params and their values, such as seed=0,1,2 or train.hidden_units=[32],[64,32].",
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Start no further point after this time, such as 90s or 10m.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Points that run at the same time.")] = 1,
    clean: Annotated[
        bool, typer.Option("--clean", help="Run nothing; delete the data that only sweeps need.")
    ] = False,
) -> None:
    """Run every combination of the values as a DVC experiment, and name the best.

    The points start from the tracked files as they are, and run in copies of the repository: the
    working tree is not touched. Points whose experiment exists are skipped, so the same command
    continues after an interruption. The best is chosen without a look at test. Exit code 1 if a
    point failed.

    Examples: `thaw sweep train.freeze_till=all,143,116 seed=0,1,2` · `thaw sweep augment.views=0,2
    --time 10m --jobs 2` · `thaw sweep --clean`
    """
    if clean == bool(words):
        raise typer.BadParameter("a sweep must be given either keys with values or --clean")
    if clean:
        _clean()
    else:
        _sweep(words or [], _seconds(time), jobs)


def _sweep(words: list[str], seconds: float | None, jobs: int) -> None:
    from thaw.experiments.grid import read_grid
    from thaw.experiments.results import Scoreboard
    from thaw.experiments.sweep import make_plan, only_sweep

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as by Ctrl-C
    with only_sweep():
        plan = make_plan(read_grid(words))
        _show_plan(plan)
        board = Scoreboard(Path.cwd(), plan.snapshot[0], plan.points)
        outcomes, is_interrupted = _run(plan, board, jobs, seconds)
    failed = [outcome for outcome in outcomes if outcome.error]
    _report(plan, board.ranking(), failed)
    if is_interrupted or failed:
        raise typer.Exit(130 if is_interrupted else 1)


def _clean() -> None:
    from thaw.experiments.clean import clean_sweeps
    from thaw.experiments.sweep import only_sweep

    with only_sweep():
        typer.echo(f"{clean_sweeps() / 1e6:,.1f} MB are free again")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise typer.BadParameter(f"--time must be such as 90s, 10m or 2h, but is {text!r}")
    return float(found[1]) * SECONDS[found[2]]


def _show_plan(plan: "Plan") -> None:
    free = shutil.disk_usage(".").free
    typer.echo(
        f"{len(plan.points)} points, {len(plan.done)} done, {len(plan.todo)} to run, with about "
        f"{plan.disk / 1e6:,.0f} MB of new outputs; {free / 1e6:,.0f} MB of disk are free"
    )


def _run(
    plan: "Plan", board: "Scoreboard", jobs: int, seconds: float | None
) -> "tuple[list[Outcome], bool]":
    """Run the points with a progress bar; what ended, and whether Ctrl-C stopped it."""
    from tqdm import tqdm

    from thaw.experiments.sweep import run_points

    ended: list[Outcome] = []
    bar = tqdm(total=len(plan.points), initial=len(plan.done), desc="sweep", unit="point")
    try:
        with bar, closing(run_points(plan, jobs, seconds)) as outcomes:
            bar.set_postfix_str(_best(board.ranking()))
            for outcome in outcomes:
                ended.append(outcome)
                bar.set_postfix_str(_best(board.ranking()), refresh=False)
                bar.update()
    except KeyboardInterrupt:
        return ended, True
    return ended, False


def _best(ranking: "Ranking") -> str:
    if not ranking.scores:
        return ""
    result, score = ranking.scores[0]
    return f"best {score:.4f} {result.point.name}"


def _report(plan: "Plan", ranking: "Ranking", failed: "list[Outcome]") -> None:
    """Print the points, best first, test metrics of the best only, and what failed or is left."""
    if ranking.scores:
        typer.echo(f"{ranking.criterion}, best setting first:")
    for result, score in ranking.scores[:MOST_ROWS]:
        typer.echo(f"  {score:.4f}  {result.point.name}")
    if len(ranking.scores) > MOST_ROWS:
        typer.echo(f"  and {len(ranking.scores) - MOST_ROWS} more: dvc exp show")
    if ranking.scores:
        best = ranking.scores[0][0]
        typer.echo(f"chosen: {best.point.name}; on test: {_on_test(best.metrics)}")
    for outcome in failed:
        typer.echo(f"failed: {outcome.point.name}: {outcome.error}; see {outcome.log}", err=True)
    left = len(plan.points) - len(ranking.scores) - len(failed)
    if left:
        typer.echo(f"{left} points are left: the same command continues")


def _on_test(metrics: dict[str, Any]) -> str:
    """The metrics of the test split."""
    return ", ".join(
        f"{key} {value:.4f}"
        for key, value in metrics.items()
        if isinstance(value, float) and not key.startswith("val_")
    )
