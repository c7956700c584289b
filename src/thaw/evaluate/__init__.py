"""Metrics, curves and plots of predictions. May import data and below; is handed its predictor."""
