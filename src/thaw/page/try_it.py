"""The tab try_it."""

import streamlit as st


def show() -> None:
    """Show it."""
    st.write("try_it")
