"""`thaw compare`: which experiments are better, and is that shown."""

import json
from pathlib import Path
from typing import Annotated

import typer

PAGE = Path("outputs/compare/index.html")
SWEEP = Path("outputs/sweep")


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXP]...",
            help="Experiments, Git revisions, or workspace. None: the current commit, its "
            "experiments, and the workspace.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
) -> None:
    """Compare experiments by paired tests on the same images, and write outputs/compare.

    Images are those of cross-validation where all experiments have such predictions of their own
    training, else those of validation. Test accuracy is shown, for no choice, of experiments that
    are named. Experiments that differ only in seed and split.seed are runs of one setting. Changes
    no file of Git.

    Examples: `thaw compare` · `thaw compare head-only main workspace` · `thaw compare --json`
    """
    from thaw.experiments import comparison_table
    from thaw.experiments.compare import compare as compare_experiments
    from thaw.experiments.comparison_page import write_page
    from thaw.experiments.experiment import read_experiments

    experiments, left_out = read_experiments(names or [])
    comparison = compare_experiments(experiments, strict=bool(names))
    with_test = bool(names)
    if as_json:
        found = comparison_table.as_json(comparison, with_test)
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    elif as_md:
        text = comparison_table.as_markdown(comparison, with_test)
    else:
        text = comparison_table.as_text(comparison, with_test)
    typer.echo(text, nl=False)
    for line in left_out:
        typer.echo(line, err=True)
    write_page(PAGE, comparison, with_test)
    typer.echo(f"the page is {PAGE}", err=True)
