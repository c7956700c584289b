"""`thaw sweep`: run a grid of params as DVC experiments."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thaw.cli.output import AsJson, note, print_json
from thaw.errors import ThawError
from thaw.paths import SWEEP_RESULTS

if TYPE_CHECKING:
    from thaw.experiments.board import Board
    from thaw.experiments.compare import Ranking
    from thaw.experiments.sweep import Outcome, Plan

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
MOST_ROWS = 40  # settings that are printed


def sweep(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE,VALUE...",
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
    json_: AsJson = False,
) -> None:
    """Run every combination of the values as a DVC experiment, and name the best.

    The points start from the tracked files as they are, and run in copies of the repository: the
    files that Git tracks stay as they are. Points whose experiment exists are skipped, so the same
    command continues after an interruption. The best is chosen on out-of-fold predictions if all
    points have such of their own training, else on val, never on test: test metrics are shown of
    the chosen point, and of others, for no choice, by `thaw compare` with their names. Writes
    outputs/sweep/sweep.csv and sweep.png. Exit code 1 if a point failed.

    Examples: `thaw sweep train.freeze_till=all,143,116 seed=0,1,2` · `thaw sweep augment.views=0,2
    --time 10m --jobs 2` · `thaw sweep --clean`
    """
    if clean == bool(words):
        raise typer.BadParameter("a sweep must be given either keys with values or --clean")
    if clean:
        _clean(json_)
    else:
        _sweep(words or [], _seconds(time), jobs, json_)


def _sweep(words: list[str], seconds: float | None, jobs: int, json_: bool) -> None:
    from thaw.experiments.grid import read_grid
    from thaw.experiments.sweep import make_plan, only_sweep

    with only_sweep():
        plan = make_plan(read_grid(words))
        _show_plan(plan)
        from thaw.experiments.board import Board  # slow to import

        board = Board(plan)
        with _noted_signals() as signals:
            outcomes = _run(plan, board, jobs, seconds, signals)
    failed = [outcome for outcome in outcomes if outcome.error]
    ranking = board.ranking()
    if json_:
        from thaw.experiments.sweep_result import as_json

        print_json(as_json(plan, board, ranking, failed))
    elif ranking:
        _show_ranking(ranking)
        _show_verdict(ranking)
    if ranking and not signals:
        _write(ranking)
    _show_rest(plan, board, ranking, failed)
    if signals or failed:
        raise typer.Exit(130 if signals else 1)


def _clean(json_: bool) -> None:
    from thaw.experiments.clean import clean_sweeps
    from thaw.experiments.sweep import only_sweep

    with only_sweep():
        freed = clean_sweeps()
    if json_:
        print_json({"bytes_freed": freed})
    else:
        typer.echo(f"{freed / 1e6:,.1f} MB are free again")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise typer.BadParameter(f"--time must be such as 90s, 10m or 2h, but is {text!r}")
    return float(found[1]) * SECONDS[found[2]]


def _show_plan(plan: "Plan") -> None:
    """Print it. Raises ThawError if the disk is too full for it."""
    free = shutil.disk_usage(".").free
    note(
        f"{len(plan.points)} points, {len(plan.done)} done, {len(plan.todo)} to run, with about "
        f"{plan.disk / 1e6:,.0f} MB of new outputs; {free / 1e6:,.0f} MB of disk are free"
    )
    plan.check_disk(free)


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """A list of the numbers of those of SIGNALS that come.

    They raise nothing, which could be in the midst of anything. What is ignored, as Ctrl-C is in
    the background of a shell script, and a hang-up by `nohup`, stays so.
    """
    noted: list[int] = []
    heeded = [one for one in SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, lambda number, _: noted.append(number)) for one in heeded}
    try:
        yield noted
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _run(
    plan: "Plan", board: "Board", jobs: int, seconds: float | None, signals: list[int]
) -> "list[Outcome]":
    """Run the points with a progress bar, until a signal comes; what ended."""
    from tqdm import tqdm

    from thaw.experiments.sweep import run_points

    ended: list[Outcome] = []
    bar = tqdm(total=len(plan.points), initial=len(plan.done), desc="sweep", unit="point")
    with bar, closing(run_points(plan, jobs, lambda: bool(signals), seconds)) as outcomes:
        try:
            bar.set_postfix_str(_best(board.ranking()))
            for outcome in outcomes:
                ended.append(outcome)
                bar.set_postfix_str(_best(board.ranking()), refresh=False)
                bar.update()
        except ThawError:
            if not signals:  # Ctrl-C reaches also the Git that a sweep runs
                raise
    return ended


def _best(ranking: "Ranking | None") -> str:
    if not ranking:
        return ""
    return f"best {ranking.scores[0].accuracy:.4f} ({ranking.images}) {ranking.best.name}"


def _show_ranking(ranking: "Ranking") -> None:
    """Print the points, those of the best setting first, and test metrics of the chosen one."""
    from thaw.experiments.comparison_table import describe, short_keys

    typer.echo(f"{ranking.images} accuracy, best setting first:")
    shown = list(zip(ranking.settings, ranking.scores, strict=True))[:MOST_ROWS]
    for setting, score in shown:
        if score.spread is not None:
            params = describe(setting, short_keys(ranking))
            typer.echo(f"  {score.accuracy:.4f} ± {score.spread:.4f}  {params}".rstrip())
        indent = "  " if score.spread is None else "    "
        for run, accuracy in zip(setting.runs, score.accuracies, strict=True):
            typer.echo(f"{indent}{accuracy:.4f}  {run.name}")
    if len(ranking.settings) > MOST_ROWS:
        typer.echo(f"  and {len(ranking.settings) - MOST_ROWS} more: dvc exp show")
    typer.echo(f"chosen: {ranking.best.name}; on test: {_on_test(ranking.best.metrics)}")


def _on_test(metrics: dict[str, Any]) -> str:
    """The metrics of the test split that are headlines."""
    from thaw.experiments.sweep_result import of_test

    return ", ".join(
        f"{key} {value:.4f}" for key, value in of_test(metrics).items() if isinstance(value, float)
    )


def _show_verdict(ranking: "Ranking") -> None:
    """Print whether the best setting is shown to be better than the second, as `thaw compare`."""
    from thaw.experiments.compare import compare
    from thaw.experiments.sweep_result import verdict

    if found := verdict(compare(ranking.runs, strict=False)):
        typer.echo(found)


def _write(ranking: "Ranking") -> None:
    from thaw.experiments.sweep_plots import write_sweep

    write_sweep(SWEEP_RESULTS, ranking.runs)
    note(f"all points: {SWEEP_RESULTS}/sweep.csv and sweep.png")


def _show_rest(
    plan: "Plan", board: "Board", ranking: "Ranking | None", failed: "list[Outcome]"
) -> None:
    """Print what is not in the ranking, and why."""
    for line in [*(ranking.not_ranked if ranking else []), *board.left_out]:
        note(line)
    for outcome in failed:
        note(f"failed: {outcome.point.name}: {outcome.error}; see {outcome.log}")
    if left := len(plan.points) - len(board.done) - len(failed):
        note(f"{left} points are left: the same command continues")
