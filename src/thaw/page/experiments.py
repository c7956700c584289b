"""The tab Experiments: compare them, and start new ones."""

from functools import partial
from pathlib import Path

import streamlit as st

from thaw.errors import ThawError
from thaw.experiments.compare import Comparison, compare
from thaw.experiments.comparison_numbers import numbers
from thaw.experiments.comparison_page import MOST_DRAWN
from thaw.experiments.comparison_plots import (
    draw_accuracies,
    draw_differences,
    draw_learning_curves,
    shared_ranges,
)
from thaw.experiments.comparison_table import PAIRED, pair_rows, summary
from thaw.experiments.experiment import WORKSPACE, Experiment, distinct, read_revision, why_left_out
from thaw.experiments.repository import Revisions, repository_state, revisions
from thaw.experiments.sweep_plots import CAPTION, DEPTH, MEASURES, draw_measure
from thaw.page import sources, training_form, two_experiments
from thaw.page.drawings import Compared, show_drawing
from thaw.page.markdown import plain
from thaw.page.texts import experiments as texts

MOST_KEPT = 100  # experiments in memory


def show() -> None:
    """Show it."""
    root = sources.repository()
    st.header(texts.COMPARE, divider="gray")
    try:
        _show_comparison()
    except ThawError as error:
        st.info(texts.NO_COMPARISON.format(reason=plain(str(error))))
    st.header(texts.TRAINING, divider="gray")
    training_form.show(root)


def _show_comparison() -> None:
    known = revisions()
    chosen = st.multiselect(
        texts.CHOOSE,
        list(known.all),
        help=texts.CHOOSE_HELP,
        placeholder=texts.ALL,
        key="experiments",
        bind="query-params",
    )
    key = (str(Path.cwd()), repository_state(), *chosen)
    comparison, left_out = _compare(key, known, chosen)
    compared = Compared(comparison, key)
    st.text(summary(comparison))
    for line in [*left_out, *comparison.left_out]:
        st.caption(plain(line))
    _show_table(comparison, bool(chosen))
    _show_tests(compared)
    if DEPTH in comparison.settings[0].params:
        st.subheader(texts.DEPTH)
        st.caption(CAPTION)
        for column, measure in zip(st.columns(2), MEASURES, strict=True):
            with column:
                draw = partial(draw_measure, comparison.runs, measure)
                show_drawing(compared, texts.DEPTH_ALT.format(measure=measure), draw)
    if len(comparison.settings) > 1:
        st.subheader(texts.TWO)
        two_experiments.show(compared)
    _show_curves(compared)


@st.cache_resource(max_entries=4, show_spinner=texts.READING)
def _compare(
    key: tuple[str, ...], _known: Revisions, _chosen: list[str]
) -> tuple[Comparison, list[str]]:
    """The comparison of those chosen, or of the current commit's, and what cannot be read.

    key: another whenever an experiment, or the choice, is another.
    """
    found, left_out = [], []
    for name in _chosen or _known.current:
        revision = _known.all[name]
        try:
            experiment = _read(name, revision, *(key if revision == WORKSPACE else key[:1]))
            experiment.check_results()  # which may be gone since
            found.append(experiment)
        except ThawError as error:
            left_out.append(why_left_out(name, error))
    if not found and left_out:
        raise ThawError(left_out[0])
    return compare(found if _chosen else distinct(found), strict=False), left_out


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _read(name: str, revision: str, *key: str) -> Experiment:
    """An experiment. Only the working tree changes, so only it needs a key that does."""
    return read_revision(name, revision)


def _show_table(comparison: Comparison, with_test: bool) -> None:
    table = numbers(comparison, with_test)
    columns = {}
    for name, (title, about) in texts.COLUMNS.items():
        if name.startswith(texts.FOUR_DIGITS):
            columns[name] = st.column_config.NumberColumn(title, help=about, format="%.4f")
        else:
            columns[name] = st.column_config.Column(title, help=about)
    with st.container(key="comparison"):
        st.dataframe(
            table, column_config=columns, hide_index=True, placeholder="", alt=texts.TABLE_ALT
        )
    if with_test:
        st.caption(texts.TEST_IS_SHOWN)


def _show_tests(compared: Compared) -> None:
    """All paired tests, folded away if they are many."""
    comparison = compared.comparison
    if not (rows := pair_rows(comparison)):
        return
    st.subheader(texts.INTERVALS)
    left, right = st.columns(2)
    with left:
        show_drawing(compared, texts.ACCURACIES_ALT, partial(draw_accuracies, comparison))
    with right:
        show_drawing(compared, texts.DIFFERENCES_ALT, partial(draw_differences, comparison))
    title = texts.PAIRS.format(count=len(rows))
    with st.expander(title, expanded=len(rows) <= MOST_DRAWN, key="pairs"):
        st.caption(plain(PAIRED))
        st.dataframe(rows, hide_index=True, alt=title)


def _show_curves(compared: Compared) -> None:
    settings = compared.comparison.settings
    st.subheader(texts.CURVES)
    st.caption(texts.CURVES_ARE)
    if len(settings) > MOST_DRAWN:
        st.caption(texts.MOST_CURVES.format(shown=MOST_DRAWN, count=len(settings)))
    ranges = shared_ranges(run.curves for setting in settings[:MOST_DRAWN] for run in setting.runs)
    for start in range(0, min(len(settings), MOST_DRAWN), 2):
        for column, setting in zip(st.columns(2), settings[start : start + 2], strict=False):
            draw = partial(draw_learning_curves, setting, ranges)
            with column:
                st.caption(plain(setting.label))
                show_drawing(compared, texts.CURVES_OF.format(name=setting.name), draw)
