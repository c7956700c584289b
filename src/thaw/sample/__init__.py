"""The offline sample: drawn images and a base pre-trained on drawings. May import parallel, files.

`drawing` is shared; `generate` draws cats and dogs, `things` all else; `pretrain` makes the base.
"""
