"""Start a training or a sweep as a job of the API, for the holder of the token; and cancel it."""

from pathlib import Path

import streamlit as st

from thaw.errors import ThawError
from thaw.experiments.grid import read_grid
from thaw.experiments.setting import shown
from thaw.page import job_view
from thaw.page.markdown import plain
from thaw.page.texts import experiments as texts
from thaw.params import read_yaml
from thaw.paths import PUBLISHED
from thaw.serving.job_state import ENDED
from thaw.serving.jobs import Jobs
from thaw.serving.token import is_token, server_token
from thaw.settings import flat

COLUMNS = 3


def show(root: Path) -> None:
    """Show the form and the latest job; without a token, how to switch them on."""
    token = server_token()
    if token is None:
        st.markdown(texts.TRAINING_OFF)
        return
    given = st.text_input(
        texts.TOKEN,
        type="password",
        help=texts.TOKEN_HELP,
        autocomplete="off",
        key="token",
        persist_state="session",
    )
    if not given:
        st.caption(texts.TOKEN_ASKED)
    elif not is_token(given, token):
        st.error(texts.WRONG_TOKEN)
    else:
        _show_jobs(_jobs(str(root)), root)


@st.cache_resource(max_entries=1, show_spinner=False)
def _jobs(root: str) -> Jobs:
    return Jobs(Path(root), Path(root) / PUBLISHED)


def _show_jobs(jobs: Jobs, root: Path) -> None:
    latest = jobs.latest()[:1]
    is_running = any(state["state"] not in ENDED for state in latest)
    _show_form(jobs, root, is_running)
    for state in latest:
        job_view.show(jobs, state["id"], is_running)


def _show_form(jobs: Jobs, root: Path, is_running: bool) -> None:
    """Fields for the usual params, and one for any others."""
    with st.form("training", enter_to_submit=False):
        st.markdown(texts.FORM)
        words = _usual_params(flat(read_yaml(root / "params.yaml")))
        more = st.text_area(texts.MORE, placeholder=texts.MORE_EXAMPLE, height=90, key="params")
        words += [line.strip() for line in more.splitlines() if line.strip()]
        is_asked = st.form_submit_button(
            texts.START, type="primary", disabled=is_running, key="start"
        )
        if is_running:
            st.caption(texts.RUNS_ALREADY)
    if is_asked:
        _start(jobs, words)


def _usual_params(now: dict[str, object]) -> list[str]:
    """Fields in rows, so that they keep their order on a narrow screen; what is in them."""
    words = []
    keys = list(texts.PARAMS)
    for start in range(0, len(keys), COLUMNS):
        for column, key in zip(st.columns(COLUMNS), keys[start : start + COLUMNS], strict=False):
            value, example = shown(now.get(key)), texts.EXAMPLES[key]
            text = column.text_input(
                texts.PARAMS[key],
                placeholder=value,
                help=texts.PARAM_HELP.format(key=key, value=plain(value), example=plain(example)),
                key=f"param-{key.replace('.', '-')}",
            )
            words += [f"{key}={text.strip()}"] if text.strip() else []
    return words


def _start(jobs: Jobs, words: list[str]) -> None:
    """Start a training; a sweep if a param has several values."""
    try:
        grid = read_grid(words)
        params = {key: values[0] for key, values in grid.items() if len(values) == 1}
        jobs.start(params, {key: values for key, values in grid.items() if key not in params})
    except ThawError as error:
        st.error("  \n".join(plain(line) for line in str(error).splitlines()))
    else:
        st.rerun()
