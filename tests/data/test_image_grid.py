"""Contact sheets are the same bytes every time."""

import numpy as np
from PIL import Image

from thaw.data.image_grid import write_image_grid


def test_same_bytes_for_rows_of_any_length(tmp_path):
    grey = np.full((20, 20, 3), 128, np.uint8)
    rows = [("Cat", [grey] * 3), ("a $class$ & more", [grey]), ("none", [])]
    for name in ("a.png", "b.png"):
        write_image_grid(tmp_path / name, "title", rows, ["original", "view 1"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > 300 and "Software" not in sheet.info
