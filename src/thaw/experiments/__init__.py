"""Experiments: cross-validation, grids of points, and comparison."""
