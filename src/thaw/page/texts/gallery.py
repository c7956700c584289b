"""Wherever images or lists are shown a page at a time."""

ALL = "all"
SHOWN = "{first:,} to {last:,} of {total:,} {what}"
