"""Run a bundle. May import only `bundle`, `runtime` and `images`, so serving installs little."""
