"""The answer to one image: what is said, how sure, and what speaks for it."""

from html import escape

import numpy as np
import streamlit as st

from thaw.errors import ThawError
from thaw.overlay import MAX_OPACITY, overlay
from thaw.page import sources
from thaw.page.answers import Key
from thaw.page.confidence import show_meaning
from thaw.page.markdown import plain
from thaw.page.texts import try_it as texts
from thaw.serving.prediction import Prediction
from thaw.serving.published import Loaded

SHOWN = 10  # classes of the chart, the most probable
VIEW = "view"


@st.fragment
def show_answer(loaded: Loaded, key: Key, found: Prediction) -> None:
    """Show it. Another opacity or class of the heat map only draws the heat map again."""
    if sources.bundle().sha256 != loaded.sha256:
        st.rerun()
    image, facts = st.columns(2, gap="large")
    with image, st.container(key="heat-map"):
        _show_heatmap(key, found)
    with facts, st.container(key="answer"):
        st.html(_verdict(found) + _bars(found))
        probabilities = list(found.probabilities.values())
        with st.container(horizontal=True, key="sums"):
            st.metric(texts.HIGHEST, texts.PERCENT.format(100 * max(probabilities)))
            total = texts.PERCENT.format(100 * sum(probabilities))
            st.metric(texts.SUM, total, help=texts.SUM_HELP)
        full = loaded.predictor.image_size
        if found.abstain != "unknown":
            show_meaning(loaded, found.confidence, reduced=key.size != full)
        if found.unknown_score is not None:
            st.caption(texts.UNKNOWN_SCORE.format(score=found.unknown_score))
        if key.size != full:
            st.caption(texts.REDUCED.format(size=key.size, full=full))


def show_failure(name: str, error: ThawError) -> None:
    """Show why an image has no answer."""
    st.html(
        f'<div class="thaw-failed" role="alert"><h3>{escape(texts.NO_ANSWER)}</h3>'
        f"<p>{escape(texts.FAILED.format(name=name, reason=error))}</p></div>"
    )


def _show_heatmap(key: Key, found: Prediction) -> None:
    place = st.empty()
    labels = [label for label, _ in found.most_probable(len(found.probabilities))]
    chosen, opacity = st.columns(2)
    with chosen:
        label = st.selectbox(
            *(texts.HEATMAP_OF, labels, labels.index(found.label)), key=f"class-{key.image}"
        )
    with opacity:
        percent = st.slider(texts.OPACITY, 0, 100, round(100 * MAX_OPACITY), key="opacity")
    pixels = overlay(_view(key, found), found.heatmap(label), percent / 100)
    place.image(
        pixels,
        texts.SPEAKS_FOR.format(label=plain(label)),
        width="stretch",
        output_format="JPEG",
        alt=texts.SPEAKS_FOR_ALT.format(label=label),
    )


def _view(key: Key, found: Prediction) -> np.ndarray:
    """What the network saw; decoded once for as long as the same image is shown."""
    if st.session_state.get(VIEW, (None,))[0] != key:
        st.session_state[VIEW] = key, found.view()
    return st.session_state[VIEW][1]


def _verdict(found: Prediction) -> str:
    """The label, in the words and the look of the API's form."""
    title, label = escape(found.label), escape(found.label)
    note = ""
    if found.abstain == "unknown":
        title, note = texts.UNKNOWN, texts.UNKNOWN_NOTE.format(label=label)
    elif found.abstain == "unsure":
        title, note = f'{title} <span class="badge">{texts.UNSURE}</span>', texts.UNSURE_NOTE
    return f"<h3>{title}</h3>" + (f'<p class="note">{note}</p>' if note else "")


def _bars(found: Prediction) -> str:
    """The most probable classes as bars."""
    rows = found.most_probable(SHOWN)
    more = len(found.probabilities) - len(rows)
    bars = "".join(_bar(escape(label), p, label == found.label) for label, p in rows)
    if more > 0:
        rest = sum(found.probabilities.values()) - sum(p for _, p in rows)
        bars += _bar(texts.MORE_CLASSES.format(count=more), rest, chosen=False)
    return f'<dl class="bars" aria-label="{texts.PROBABILITIES}">{bars}</dl>'


def _bar(label: str, probability: float, chosen: bool) -> str:
    width = f"{100 * max(0, probability):.2f}%"
    kind = ' class="chosen"' if chosen else ""
    fill = f'<div class="fill" style="width:{width}"></div>'
    return (
        f'<div{kind}><dt>{label}</dt><dd><div class="track" aria-hidden="true">{fill}</div>'
        f"<span>{texts.PERCENT.format(100 * probability)}</span></dd></div>"
    )
