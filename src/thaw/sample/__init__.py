"""The offline sample: generated pictures and a small base pre-trained on generated pictures."""
