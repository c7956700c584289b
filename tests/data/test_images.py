"""The decoder gives the right colours whatever the file, and tables are what was written."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from thaw import parallel
from thaw.data.tables import read_classes, read_rows, write_table
from thaw.errors import ThawError
from thaw.images import decode, read_rgb, thumbnail

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
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "RGBA", {}),
        ("AVIF", "RGB", {"quality": 95, "subsampling": "4:4:4"}),
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


def test_grey_of_16_bits_is_white_where_it_is_transparent(encode):
    grey = np.array([[0, 257], [0, 65535]], np.uint16)
    data = encode(Image.fromarray(grey), "PNG", transparency=257)
    assert decode(data, 2)[..., 0].tolist() == [[0, 255], [0, 255]]
    assert decode(encode(Image.fromarray(grey), "PNG", transparency=0), 2)[..., 0].tolist() == [
        [255, 1],
        [255, 255],
    ]


def test_grey_in_floating_point_is_from_0_to_1(encode):
    grey = np.array([[0, 0.5, 1], [-1, np.nan, 7]], np.float32).repeat(2, axis=0)
    pixels = np.asarray(read_rgb(encode(Image.fromarray(grey), "TIFF")))
    assert pixels[::2, :, 0].tolist() == [[0, 128, 255], [0, 0, 255]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "CMYK", "L", "1", "I", "I;16", "LAB"])
@pytest.mark.parametrize("width", [3, 1500])
def test_conversion_in_bands_is_that_of_the_whole_image(encode, mode, width):
    pixels = np.random.default_rng(0).integers(0, 256, (1000, width, 4), np.uint8)
    image = Image.fromarray(pixels if mode in ("RGBA", "LA", "PA") else pixels[..., :3].copy())
    if mode == "LAB":
        image = Image.frombytes("LAB", image.size, image.tobytes())
    image = image.convert("L").convert(mode) if mode[0] == "I" else image.convert(mode)
    if mode[0] == "I":
        expected = Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
    elif image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        expected = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    else:
        expected = image.convert("RGB")
    found = read_rgb(encode(image, "TIFF", compression="tiff_lzw"))
    assert np.array_equal(np.asarray(found), np.asarray(expected))


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


def test_the_default_squashes_as_ever(halves, encode):
    tall = halves.resize((41, 67))
    whole = tall.resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(decode(encode(tall, "PNG"), 32), np.asarray(whole))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 48))
def test_crop_shows_the_centre_and_pad_everything(encode, width, height, size):
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    ramp = Image.fromarray(np.dstack([x, y, np.full_like(x, 200)]).astype(np.uint8))
    data = encode(ramp, "PNG")
    squashed, cropped, padded = (decode(data, size, how) for how in ("squash", "crop", "pad"))
    assert squashed.shape == cropped.shape == padded.shape == (size, size, 3)
    assert (squashed[..., 2] == 200).all() and (cropped[..., 2] == 200).all()
    long, short = max(width, height), min(width, height)
    inside = padded[..., 2] == 200
    rows, columns = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    assert rows * columns == inside.sum() and max(rows, columns) == size
    assert abs(min(rows, columns) - max(1, size * short / long)) <= 0.5
    assert (padded[~inside] == 0).all()
    across = (255 * (1 - short / long) / 2, 255 * (1 + short / long) / 2)
    shown = cropped[..., int(height > width)]
    assert shown.min() >= across[0] - 255 / long - 1 and shown.max() <= across[1] + 255 / long + 1
    if width == height:
        assert np.array_equal(squashed, cropped) and np.array_equal(squashed, padded)


def test_a_thumbnail_keeps_the_aspect_ratio_and_never_grows(halves, encode):
    data = encode(halves.resize((60, 40)))
    assert thumbnail(data, 30).shape == (20, 30, 3)
    assert thumbnail(data, 100).shape == (40, 60, 3)


def test_another_resize_and_what_is_no_image_are_refused(halves, encode):
    with pytest.raises(ThawError, match="must be squash, crop or pad, but is 'fit'"):
        decode(encode(halves, "PNG"), 32, "fit")
    for data, reason in ((b"", "empty"), (b"GIF89a", "truncated"), (b"%PDF-1.4", "not an image")):
        with pytest.raises(ThawError, match=f"complete file .* but is {reason}"):
            decode(data, 32)


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


def test_the_rows_of_some_names_are_read_in_the_order_of_the_table(tmp_path):
    schema = pa.schema([("name", pa.string()), ("bytes", pa.binary())])
    rows = [{"name": f"{n}", "bytes": bytes([n % 256])} for n in range(600)]
    write_table(tmp_path / "table", schema, iter(rows), ["ant"])
    assert list(read_rows(tmp_path / "table", names=["599", "unknown", "3"])) == [
        rows[3],
        rows[599],
    ]
    assert list(read_rows(tmp_path / "table", ["bytes"], {"300"})) == [
        {"bytes": rows[300]["bytes"]}
    ]
    assert list(read_rows(tmp_path / "table", names=())) == []


def test_a_row_group_of_large_images_has_fewer_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "BATCH_BYTES", 3000)
    schema = pa.schema([("name", pa.string()), ("bytes", pa.binary())])
    rows = [{"name": f"{n}", "bytes": bytes(1000)} for n in range(7)]
    write_table(tmp_path / "table", schema, iter(rows), ["ant"])
    with pq.ParquetFile(tmp_path / "table") as table:
        groups = [table.metadata.row_group(n).num_rows for n in range(table.num_row_groups)]
    assert groups == [3, 3, 1]
    assert list(read_rows(tmp_path / "table")) == rows
