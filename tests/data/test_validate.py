"""Whole images of every kind pass; an image cut anywhere does not."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from thaw.data.validate import ImageCheck, check_image

KINDS = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "jpeg with a thumbnail": ("JPEG", {"thumbnail": True}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
    "animation": ("GIF", {"save_all": True}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "bmp": ("BMP", {}),
}


@pytest.fixture(scope="module")
def files(draw, encode):
    made = {}
    for name, (kind, options) in KINDS.items():
        if "save_all" in options:
            options = options | {"append_images": [draw(1, 33, 21), draw(2, 33, 21)]}
        thumbnail = "thumbnail" in options
        data = encode(draw(0, 33, 21), kind, **({} if thumbnail else options))
        if thumbnail:
            inside = b"Exif\0\0" + encode(draw(3, 8, 8))
            data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(inside) + 2) + inside + data[2:]
        made[name] = data
    return made


@pytest.mark.parametrize("name", KINDS)
def test_whole_images_pass_with_or_without_bytes_after_the_end(files, name):
    check = check_image(files[name], 50)
    assert (check.reason, check.width, check.height) == ("", 33, 21)
    assert len(check.phash) == 16
    assert check_image(files[name] + b"\0after the end", 50) == check


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_cut_image_is_left_out(files, name, data):
    whole = files[name]
    kept = data.draw(st.integers(0, len(whole) - 1), label="bytes kept")
    reason = check_image(whole[:kept], 50).reason
    assert reason == ("empty" if not kept else "truncated" if kept >= 12 else reason) != ""


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_few_missing_bytes_are_noticed(files, name, missing):
    assert check_image(files[name][:-missing], 50).reason == "truncated"


def test_jpeg_whose_end_is_overwritten_is_truncated(files):
    """libjpeg decodes this to the last pixel without a word."""
    assert check_image(files["jpeg"][:-2] + bytes(50), 50).reason == "truncated"


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=64))
def test_any_bytes_get_a_verdict(data):
    assert check_image(data, 50).reason in {"empty", "truncated", "not an image", "too large"}


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_any_changed_byte_gets_the_same_verdict_twice(files, data):
    changed = bytearray(files[data.draw(st.sampled_from(sorted(KINDS)))])
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert check_image(bytes(changed), 50) == check_image(bytes(changed), 50)


def test_the_size_is_judged_before_decoding(encode):
    wide = bytearray(encode(Image.new("1", (64, 64)), "PNG"))
    wide[16:24] = struct.pack(">II", 100_000, 100_000)
    wide[29:33] = struct.pack(">I", zlib.crc32(wide[12:29]))
    assert check_image(bytes(wide), 50).reason == "too large"
    image = encode(Image.new("L", (1000, 600)), "PNG")
    assert check_image(image, 0.6).reason == ""
    assert check_image(image, 0.5) == ImageCheck("too large", "0.6 megapixels")


def test_other_formats_are_no_images(encode, draw):
    assert check_image(encode(draw(0), "TIFF"), 50).reason == "not an image"
    assert "<html>" in check_image(b"<html><body>", 50).detail


def test_a_turned_image_is_measured_upright(encode, draw):
    exif = Image.Exif()
    exif[274] = 6
    check = check_image(encode(draw(0, 40, 20), exif=exif), 50)
    assert (check.width, check.height) == (20, 40)


def test_phash_stays_near_after_recompression(draw, encode):
    large = check_image(encode(draw(5, 300, 200), quality=95), 50).phash
    small = check_image(encode(draw(5, 300, 200).resize((200, 133)), quality=50), 50).phash
    other = check_image(encode(draw(6, 300, 200), quality=95), 50).phash
    hashes = np.array([int(phash, 16) for phash in (large, small, other)], np.uint64)
    distance = np.bitwise_count(hashes ^ hashes[0])
    assert distance[1] <= 4 < 12 < distance[2]
