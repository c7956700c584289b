"""The frozen prefix of a base, run once, without Keras. May import data and all below it."""
