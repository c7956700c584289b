"""The tab data."""

import streamlit as st


def show() -> None:
    """Show it."""
    st.write("data")
