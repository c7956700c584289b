"""Whole images of every kind pass; an image cut anywhere does not."""

import struct
import time
import zlib
from collections import Counter
from itertools import chain

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
    "tiff": ("TIFF", {}),
    "compressed tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "big tiff": ("TIFF", {"big_tiff": True}),
    "tiff of three pages": ("TIFF", {"save_all": True}),
    "avif": ("AVIF", {}),
    "avif of three frames": ("AVIF", {"save_all": True}),
}
PADDING = {"bmp": 1, "tiff of three pages": 15}  # bytes at the end that hold no pixel, at most


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
    kept = data.draw(st.integers(0, len(whole) - 1 - PADDING.get(name, 0)), label="bytes kept")
    reason = check_image(whole[:kept], 50).reason
    assert reason == ("empty" if not kept else "truncated" if kept >= 12 else reason) != ""


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_few_missing_bytes_are_noticed(files, name, missing):
    cut = files[name][: -missing - PADDING.get(name, 0)]
    assert check_image(cut, 50).reason == "truncated"


def test_jpeg_whose_end_is_overwritten_is_truncated(files):
    """libjpeg decodes this to the last pixel without a word."""
    assert check_image(files["jpeg"][:-2] + bytes(50), 50).reason == "truncated"


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=64))
def test_any_bytes_get_a_verdict(data):
    assert check_image(data, 50).reason in {"empty", "truncated", "not an image"}


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
    assert check_image(image, 0.5) == ImageCheck("too large", "0.6 megapixels: at most 0.5")


def test_other_formats_are_no_images(encode, draw):
    assert check_image(encode(draw(0), "ICO"), 50).reason == "not an image"
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


def test_a_long_run_of_fill_bytes_takes_time_in_proportion(files):
    """With the square of its length it would take minutes."""
    started = time.process_time()
    run = files["jpeg"][:-2] + b"\xff" * 200_000
    assert check_image(run, 50).reason == "truncated"
    assert check_image(run + b"\xff\xd9", 50) == check_image(files["jpeg"], 50)
    assert time.process_time() - started < 10


def test_a_jpeg_may_have_as_many_scans_as_its_size_allows(encode):
    data = encode(Image.new("L", (1000, 1000)), "JPEG", progressive=True)
    last = data[data.rfind(b"\xff\xda") : -2]
    many = data[:-2] + (20 - data.count(b"\xff\xda")) * last + b"\xff\xd9"
    assert check_image(many, 2).reason == ""
    assert check_image(many, 1.9) == ImageCheck("too many scans", "20: at most 19 of this size")


@pytest.mark.parametrize(
    ("name", "bound"),
    [("16-bit colours", "0.28"), ("lzma", "0.21"), ("webp", "0.2"), ("avif", "0.2")],
)
def test_what_takes_more_memory_or_time_may_have_fewer_pixels(encode, hostile, name, bound):
    image = Image.new("RGB", (800, 500))
    data = {
        "16-bit colours": hostile.noisy_png(800, 500, (16, 2), 4),
        "lzma": encode(image, "TIFF", compression="lzma"),
        "webp": encode(image, "WEBP"),
        "avif": encode(image, "AVIF"),
    }[name]
    check = check_image(data, 0.5)
    assert check.reason == "too large"
    assert check.detail.startswith(f"0.4 megapixels: at most {bound}")
    assert check_image(data, 2).reason == ""


def test_a_side_has_a_bound_of_its_own(hostile):
    tall = hostile.png((1, 50_000_000), (1, 0), bytes(100))
    detail = "50000000 pixels long: at most 65535"
    assert check_image(tall, 50) == ImageCheck("too large", detail)
    assert check_image(hostile.png((1, 65_535), (1, 0), bytes(2 * 65_535)), 50).reason == ""


@pytest.mark.parametrize("damage", ["cut", "loop", "value"])
@pytest.mark.parametrize("turn", [1, 6])
def test_broken_exif_data_do_not_reject_an_image(encode, draw, damage, turn):
    """Orientation 6, then a tag that Pillow can read but not write, or none of it at all."""
    tags = struct.pack("<HHII", 274, 3, 1, turn)
    tags += {
        "cut": b"",
        "loop": struct.pack("<HHII", 34665, 4, 1, 8),
        "value": struct.pack("<HHI4s", 282, 2, 4, b"\xff\xfe\xfd\0"),
    }[damage]
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 9 if damage == "cut" else len(tags) // 12) + tags
    data = encode(draw(0, 40, 20), exif=b"Exif\0\0" + block + bytes(4 * (damage != "cut")))
    check = check_image(data, 50)
    assert (check.reason, check.width) == ("", 20 if turn == 6 else 40)


@pytest.mark.parametrize(
    ("at", "value"), [(2, 0), (2, 2**32 - 1), (6, 2**32 - 1)], ids=["no size", "size", "reserved"]
)
def test_what_a_bmp_says_of_itself_is_no_reason(files, at, value):
    data = files["bmp"][:at] + struct.pack("<I", value) + files["bmp"][at + 4 :]
    assert check_image(data, 50) == check_image(files["bmp"], 50)


def test_heic_is_counted_with_a_way_out():
    for brand in (b"heic", b"heix", b"mif1"):
        box = struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, b"miaf")
        check = check_image(box + bytes(100), 50)
        assert check.reason == "HEIC" and "mogrify -format jpg" in check.detail


def test_hostile_images_raise_nothing(hostile):
    """The generator's measured run is `python benchmarks/hostile_images.py`."""
    images = chain(hostile.mutated(200), hostile.small_exif(), hostile.small_kinds())
    found = Counter()
    for number, (_, data) in enumerate(images):
        result = hostile.check(data)
        found[result] += 1
        if result == "accepted":
            assert hostile.decode_quietly(data, number) == "decoded"
    assert {"accepted", "truncated", "not an image", "too large"} <= set(found)
