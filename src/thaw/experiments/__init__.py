"""Compare the experiments of the repository."""
