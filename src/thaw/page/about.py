"""The tab about."""

import streamlit as st


def show() -> None:
    """Show it."""
    st.write("about")
