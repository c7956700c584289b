"""Run the frozen prefix once over all images, without Keras. May import `thaw.data` and below."""
