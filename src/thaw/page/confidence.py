"""What a confidence means, by the test images of the repository."""

from typing import TYPE_CHECKING

import streamlit as st

from thaw.errors import ThawError
from thaw.page import sources
from thaw.page.texts import try_it as texts
from thaw.serving.published import Loaded

if TYPE_CHECKING:
    from thaw.evaluate.confidence import KnownAnswers


def show_meaning(loaded: Loaded, confidence: float, reduced: bool) -> None:
    """Say how many test images answered with about this confidence were right.

    Where there is no repository, or not what reads its results, nothing is said.
    """
    if not sources.has_repository():
        return
    try:
        text = texts.REDUCED_MEANING if reduced else _meaning(loaded, confidence)
    except ModuleNotFoundError:
        return
    except ThawError as error:
        text = texts.NO_MEANING.format(reason=error)
    with st.container(key="meaning"):
        st.markdown(f"**{texts.MEANING}**")
        st.markdown(text)


def _meaning(loaded: Loaded, confidence: float) -> str:
    alike = _known_answers(loaded.sha256, sources.result_state(), loaded).alike(confidence)
    if alike is None:
        return texts.NONE_ALIKE.format(confidence=100 * confidence)
    *percent, share = (
        100 * value
        for value in (alike.lower, alike.upper, alike.low, alike.high, alike.right / alike.of)
    )
    lower, upper, low, high = percent
    return texts.ALIKE.format(
        **{"of": alike.of, "right": alike.right, "share": share},
        **{"lower": lower, "upper": upper, "low": low, "high": high},
    )


@st.cache_data(max_entries=2, show_spinner=False)
def _known_answers(bundle: str, state: tuple[int, ...], _loaded: Loaded) -> "KnownAnswers":
    # Imported here because a page with only a bundle has not the packages that it needs.
    from thaw.evaluate.confidence import read_known_answers

    predictor = _loaded.predictor
    return read_known_answers(sources.repository(), bundle, predictor.rule, predictor.unknown_limit)
