"""Compute metrics, curves and plots of predictions. May import `thaw.data` and below."""
