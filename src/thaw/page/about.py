"""The tab About: the texts of the folder about, which the documentation includes as well."""

from pathlib import Path

import streamlit as st

from thaw.files import read_json
from thaw.page import sources
from thaw.page.texts import about as texts
from thaw.paths import EVAL_METRICS, METRICS

FOLDER = Path(__file__).with_suffix("")
INGEST_METRICS = METRICS / "ingest.json"


def show() -> None:
    """Show it."""
    after = {"success": _show_metrics, "data": _show_counts, "pipeline": _show_picture}
    with st.container(key="about"):
        for name, title in texts.SECTIONS.items():
            st.header(title)
            st.markdown((FOLDER / f"{name}.md").read_text(encoding="utf-8"))
            if name in after:
                after[name]()


def _show_metrics() -> None:
    """The last result of the repository, where there is one."""
    if not (sources.has_repository() and EVAL_METRICS.exists()):
        return
    found = read_json(EVAL_METRICS, ("accuracy", "accuracy_low", "accuracy_high", "ece", "n"))
    st.markdown(texts.HERE)
    with st.container(horizontal=True, key="about-metrics"):
        low, high = (100 * found[f"accuracy_{end}"] for end in ("low", "high"))
        accuracy = texts.PERCENT.format(100 * found["accuracy"])
        interval = texts.INTERVAL.format(low=low, high=high)
        st.metric(texts.ACCURACY, accuracy, interval, delta_color="off", delta_arrow="off")
        st.metric(texts.ECE, f"{found['ece']:.3f}")
        st.metric(texts.TEST_IMAGES, f"{found['n']:,}")


def _show_picture() -> None:
    picture = (FOLDER / "path_of_data.mmd").read_text(encoding="utf-8")
    with st.container(key="about-picture"):
        st.mermaid_chart(picture, alt=texts.PICTURE_ALT)


def _show_counts() -> None:
    """How many images the repository has, where it says so."""
    if not (sources.has_repository() and INGEST_METRICS.exists()):
        return
    found = read_json(INGEST_METRICS, ("images", "classes", "left_out"))
    left_out = sum(found["left_out"].values())
    counts = {"images": found["images"], "classes": len(found["classes"]), "left_out": left_out}
    st.markdown(texts.COUNTS.format(**counts))
