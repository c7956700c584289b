"""Show a drawing of a comparison, which is drawn once for all visitors."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from thaw.experiments.compare import Comparison


@dataclass(frozen=True)
class Compared:
    """A comparison, and what it is known by. key: another whenever an experiment changes."""

    comparison: Comparison
    key: tuple[str, ...]


def show_drawing(compared: Compared, alt: str, draw: Callable[[], bytes]) -> None:
    """Show what `draw` returns, SVG. alt: what it shows, in which no two of a comparison agree."""
    st.image(_drawn(compared.key, alt, draw), width="stretch", alt=alt)


@st.cache_data(max_entries=100, show_spinner=False)
def _drawn(key: tuple[str, ...], alt: str, _draw: Callable[[], bytes]) -> str:
    return _draw().decode()
