"""The offline sample: drawn images, and a base pre-trained on drawings.

May import `thaw.parallel` and `thaw.files`. `drawing` is shared, `generate` draws cats and dogs,
`things` draws other classes, `pretrain` trains the base.
"""
