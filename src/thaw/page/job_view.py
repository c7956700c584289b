"""Show a job of the API: state, progress, log and result; and cancel it."""

from typing import Any

import streamlit as st

from thaw.experiments.setting import shown
from thaw.page.markdown import plain
from thaw.page.texts import experiments as texts
from thaw.serving.job_state import ENDED
from thaw.serving.jobs import Jobs

PAUSE = 1.0  # seconds between two looks at a job
LOG_LINES = 15  # that are shown


def show(jobs: Jobs, job: str, is_running: bool) -> None:
    """Show a job, and look again as long as it runs."""
    st.fragment(_show, run_every=PAUSE if is_running else None)(jobs, job, is_running)


def _show(jobs: Jobs, job: str, was_running: bool) -> None:
    state = jobs.get(job)
    has_ended = state["state"] in ENDED
    if was_running and has_ended:
        st.rerun()  # all of the page: there is an experiment more, and the form is free
    with st.container(border=True, key="job"):
        st.subheader(texts.JOB.format(id=job))
        st.markdown(f"{texts.STATES[state['state']]} {_settings(state)}")
        _show_progress(state, has_ended)
        if not has_ended and st.button(texts.CANCEL, key="cancel"):
            jobs.cancel(job)
            st.rerun()
        _show_result(state)
        if log := state["log"]:
            st.caption(texts.LOG)
            st.code("\n".join(log[-LOG_LINES:]), None, wrap_lines=True)


def _settings(state: dict[str, Any]) -> str:
    """The params of the job, as `thaw sweep` takes them."""
    single = {key: [value] for key, value in state["params"].items()}
    grid = single | state.get("sweep", {})
    words = [f"{key}={','.join(map(shown, values))}" for key, values in grid.items()]
    return texts.SETTINGS.format(settings=plain(" ".join(words))) if words else texts.UNCHANGED


def _show_progress(state: dict[str, Any], has_ended: bool) -> None:
    """The stage of a training, or the point of a sweep."""
    is_sweep = "points" in state
    done, count = (state.get(key) for key in ("points_done", "points"))
    if not is_sweep:
        done, count = (state.get(key) for key in ("stages_done", "stages"))
    if done is None or count is None:
        return
    if has_ended or done == count:
        text = texts.ENDED.format(number=done, count=count)
    else:
        words = {"number": done + 1, "count": count, "name": plain(state["stage"])}
        text = (texts.POINT if is_sweep else texts.STAGE).format(**words)
    st.progress(min(1.0, done / max(1, count)), text)


def _show_result(state: dict[str, Any]) -> None:
    if error := state.get("error"):
        st.error("  \n".join(plain(line) for line in error.splitlines()))
    if publication := state.get("publication"):
        st.markdown(plain(publication["reason"]))
    if metrics := state.get("metrics"):
        st.caption(texts.METRICS)
        st.dataframe([metrics], hide_index=True, alt=texts.METRICS)
    if ranking := state.get("ranking"):
        _show_ranking(ranking)


def _show_ranking(ranking: dict[str, Any]) -> None:
    """What a sweep has found."""
    words = {"images": ranking["images"], "name": plain(ranking["chosen"]["experiment"])}
    st.markdown(texts.CHOSEN.format(**words))
    if verdict := ranking["verdict"]:
        st.markdown(plain(verdict))
    rows = [
        {title: setting[key] for key, title in texts.RANKING.items()}
        for setting in ranking["settings"]
    ]
    with st.container(key="ranking"):
        st.dataframe(rows, hide_index=True, alt=texts.RANKING_ALT)
    for one in ranking["failed"]:
        words = {"name": plain(one["experiment"]), "error": plain(one["error"])}
        st.warning(texts.FAILED_POINT.format(**words))
    for line in ranking["left_out"]:
        st.caption(plain(line))
