"""The tab errors."""

import streamlit as st


def show() -> None:
    """Show it."""
    st.write("errors")
