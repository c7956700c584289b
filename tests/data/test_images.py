"""The decoder gives the right colours whatever the file, and tables are what was written."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from thaw.data.tables import read_classes, read_rows, write_table
from thaw.images import decode

LEFT, RIGHT = (200, 40, 40), (30, 60, 180)


@pytest.fixture(scope="module")
def halves():
    image = Image.new("RGB", (64, 64), LEFT)
    image.paste(RIGHT, (32, 0, 64, 64))
    return image


def sides(data, size=32):
    pixels = decode(data, size)
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8
    return pixels[:, 4].mean(axis=0), pixels[:, -4].mean(axis=0)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {"quality": 95}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("BMP", "RGB", {}),
        ("GIF", "P", {}),
    ],
)
def test_colours(halves, encode, kind, mode, options):
    left, right = sides(encode(halves.convert(mode), kind, **options))
    assert np.abs(left - LEFT).max() < 12 and np.abs(right - RIGHT).max() < 12


def test_grey_of_8_and_16_bits_agree(encode):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    shallow = decode(encode(Image.fromarray(ramp), "PNG"), 64)
    deep = decode(encode(Image.fromarray(ramp.astype(np.uint16) * 257), "PNG"), 64)
    assert np.array_equal(shallow, deep) and np.array_equal(shallow[..., 0], ramp)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(encode, mode):
    clear = Image.new("RGBA", (32, 32), (10, 20, 30, 0))
    if mode == "P":
        clear = Image.new("P", (32, 32), 0)
        clear.putpalette([10, 20, 30])
        clear.info["transparency"] = 0
    assert (decode(encode(clear.convert(mode), "PNG"), 32) == 255).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_exif_orientation_comes_out_upright(halves, encode, turn):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = halves.transpose(undo[turn]) if turn in undo else halves
    exif = Image.Exif()
    exif[274] = turn
    left, right = sides(encode(stored, "PNG", exif=exif))
    assert np.abs(left - LEFT).max() < 3 and np.abs(right - RIGHT).max() < 3


def test_the_first_frame_of_an_animation_counts(halves, encode):
    second = Image.new("RGB", (64, 64), "black")
    animation = encode(halves, "GIF", save_all=True, append_images=[second])
    assert np.abs(sides(animation)[0] - LEFT).max() < 12


def test_tables_round_trip_with_the_same_bytes(tmp_path):
    schema = pa.schema([("name", pa.string()), ("bytes", pa.binary())])
    rows = [{"name": f"{n}", "bytes": bytes([n % 256])} for n in range(600)]
    for name in ("a", "b"):
        write_table(tmp_path / name, schema, iter(rows), ["zebra", "ant"])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert list(read_rows(tmp_path / "a")) == rows
    assert read_classes(tmp_path / "a") == ["zebra", "ant"]
    write_table(tmp_path / "none", schema, iter([]), ["ant"])
    assert list(read_rows(tmp_path / "none")) == []
