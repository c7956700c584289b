"""Ingest images, split them and augment them. May import `thaw.sample` and the modules below it."""
