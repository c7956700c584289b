"""The answers to many images: a table to sort and to filter, and as CSV."""

import io
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from thaw.errors import ThawError
from thaw.page.answer_view import show_answer
from thaw.page.answers import Answer, Key
from thaw.page.chosen_images import Chosen
from thaw.page.texts import try_it as texts
from thaw.serving.batch import row_of
from thaw.serving.prediction import Prediction
from thaw.serving.published import Loaded
from thaw.serving.tables import Columns, write_csv
from thaw.serving.thumbnail import thumbnail_url

SIDE = 96  # pixels of a thumbnail
ROW = 56  # pixels
THUMBNAILS = "thumbnails"


def show_table(loaded: Loaded, images: list[Chosen], answers: list[Answer], size: int) -> None:
    """Show the answers, those without one below, and that to the image of the selected row."""
    failed = [
        (image.name, found)
        for image, found in zip(images, answers, strict=True)
        if isinstance(found, ThawError)
    ]
    person = sum(isinstance(found, Prediction) and bool(found.abstain) for found in answers)
    answered = len(images) - person - len(failed)
    counts = {"count": len(images), "answered": answered, "person": person, "failed": len(failed)}
    st.markdown(texts.COUNTS.format(**counts))
    if failed:
        _show_failures(failed)
    _show_rows(loaded, images, answers, size)
    st.download_button(
        texts.DOWNLOAD.format(count=len(images)),
        csv_of(loaded.predictor.labels, images, answers),
        texts.CSV_NAME,
        "text/csv",
        key="download",
        on_click="ignore",
    )


@st.fragment
def _show_rows(loaded: Loaded, images: list[Chosen], answers: list[Answer], size: int) -> None:
    rows = _rows(images, answers)
    counted = Counter(row[texts.ANSWER] for row in rows)
    wanted = st.multiselect(
        texts.FILTER,
        sorted(counted),
        key="filter",
        format_func=lambda answer: f"{answer} ({counted[answer]})",
    )
    shown = [n for n, row in enumerate(rows) if not wanted or row[texts.ANSWER] in wanted]
    st.caption(texts.SELECT)
    with st.container(key="answers"):
        event: Any = st.dataframe(
            [rows[n] for n in shown],
            column_config=_columns(),
            hide_index=True,
            row_height=ROW,
            on_select="rerun",
            selection_mode="single-row",
            key=f"answers-{hash((tuple(shown), tuple(image.sha256 for image in images)))}",
            alt=texts.TABLE_ALT,
        )
    for row in event.selection.rows:
        number = shown[row]
        found = answers[number]
        if isinstance(found, Prediction):
            st.html(f"<h3>{escape(images[number].name)}</h3>")
            show_answer(loaded, Key(loaded.sha256, size, images[number].sha256), found)


def _columns() -> dict[str, Any]:
    percent = st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100)
    return {texts.IMAGE: st.column_config.ImageColumn(width="small"), texts.CONFIDENCE: percent}


def _rows(images: Sequence[Chosen], answers: Sequence[Answer]) -> list[dict[str, Any]]:
    thumbnails = _thumbnails(images, answers)
    rows = []
    for image, found in zip(images, answers, strict=True):
        answer, confidence, note = texts.NO_ANSWER, None, str(found)
        if isinstance(found, Prediction):
            answer, confidence, note = found.label, 100 * found.confidence, ""
            if found.abstain == "unknown":
                answer, note = texts.UNKNOWN, texts.CLOSEST.format(label=found.label)
            elif found.abstain == "unsure":
                note = texts.UNSURE
        values = (thumbnails.get(image.sha256), image.name, answer, confidence, note)
        names = (texts.IMAGE, texts.NAME, texts.ANSWER, texts.CONFIDENCE, texts.NOTE)
        rows.append(dict(zip(names, values, strict=True)))
    return rows


def _thumbnails(images: Sequence[Chosen], answers: Sequence[Answer]) -> dict[str, str]:
    """The thumbnails of images that have an answer, by their hash; made once a session."""
    known: dict[str, str] = st.session_state.get(THUMBNAILS, {})
    st.session_state[THUMBNAILS] = {
        image.sha256: known.get(image.sha256) or thumbnail_url(image.data, SIDE)
        for image, found in zip(images, answers, strict=True)
        if isinstance(found, Prediction)
    }
    return st.session_state[THUMBNAILS]


def csv_of(labels: list[str], images: Sequence[Chosen], answers: Sequence[Answer]) -> str:
    """What `thaw predict -o` writes of the same images."""
    stream = io.StringIO()
    rows = (row_of(image.name, found) for image, found in zip(images, answers, strict=True))
    write_csv(stream, rows, Columns(labels))
    return stream.getvalue()


def _show_failures(failed: list[tuple[str, ThawError]]) -> None:
    lines = "".join(
        f"<li>{escape(texts.FAILED.format(name=name, reason=error))}</li>" for name, error in failed
    )
    st.html(
        f'<div class="thaw-failed" role="alert"><h3>{texts.NO_ANSWER}</h3><ul>{lines}</ul></div>'
    )
