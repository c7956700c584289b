"""`thaw compare`: which experiments are better, and is that shown."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thaw.cli.output import AsJson, note, print_json
from thaw.paths import SWEEP_RESULTS

if TYPE_CHECKING:
    from thaw.experiments.compare import Comparison

PAGE = Path("outputs/compare/index.html")


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXP",
            help="Experiments, Git revisions, or workspace. None: the current commit, its "
            "experiments, and the workspace.",
        ),
    ] = None,
    json_: AsJson = False,
    markdown: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
) -> None:
    """Compare experiments by paired tests on the same images, and write outputs/compare.

    The images are those of cross-validation if all experiments have such predictions of their own
    training, else those of validation. Experiments that differ only in seed and split.seed are
    runs of one setting. Test accuracy is shown, for no choice, of experiments that are named. If
    they differ in depth, outputs/sweep shows accuracy and loss against it. No file of Git changes.

    Examples: `thaw compare` · `thaw compare head-only main workspace` · `thaw compare --json`
    """
    from thaw.experiments.comparison_page import write_page
    from thaw.experiments.comparison_table import as_json, as_markdown, as_text
    from thaw.experiments.sweep_plots import DEPTH, write_sweep

    comparison = _compare(names or [])
    if json_:
        print_json(as_json(comparison, bool(names)))
    else:
        text = (as_markdown if markdown else as_text)(comparison, bool(names))
        typer.echo(text, nl=False)
    write_page(PAGE, comparison, bool(names))
    note(f"as a page: {PAGE}")
    if DEPTH in comparison.settings[0].params:
        write_sweep(SWEEP_RESULTS, comparison.runs)
        note(f"against the depth: {SWEEP_RESULTS}/sweep.png and sweep.csv")


def _compare(names: list[str]) -> "Comparison":
    """Read and compare the experiments; of the commit, if none are named."""
    from thaw.experiments.compare import compare
    from thaw.experiments.experiment import read_experiments

    experiments, left_out = read_experiments(names)
    comparison = compare(experiments, strict=bool(names))
    return replace(comparison, left_out=[*left_out, *comparison.left_out])
