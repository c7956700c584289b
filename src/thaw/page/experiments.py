"""The tab experiments."""

import streamlit as st


def show() -> None:
    """Show it."""
    st.write("experiments")
