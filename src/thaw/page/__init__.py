"""The page in the browser: only other packages compute, this one shows."""
