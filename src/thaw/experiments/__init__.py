"""Experiments: many points of a grid, run and compared."""
