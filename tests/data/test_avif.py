"""An AVIF is as large as its AV1 streams, whatever the file says elsewhere."""

import struct

import pytest
from PIL import Image

from thaw.avif import MAX_BOXES, MAX_UNITS, decoded_pixels
from thaw.data.validate import ImageCheck, check_image


def bits(*fields):
    """Bytes of (value, number of bits), filled with zeros."""
    text = "".join(f"{value:0{count}b}" for value, count in fields)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def unit(kind, content):
    return bytes([kind << 3 | 2, len(content)]) + content


def sequence(*timing, width=100, height=50):
    """A header whose frames may state a size, of up to 8 x 7 bits."""
    start = ((0, 3), (0, 1), (0, 1), *(timing or [(0, 1)]), (0, 1), (0, 5), (0, 12), (0, 5))
    size = ((7, 4), (6, 4), (width - 1, 8), (height - 1, 7))
    tools = ((0, 1), (0, 7), (0, 1), (1, 1), (1, 1))  # each frame says
    return unit(1, bits(*start, *size, *tools))


def frame(states_size, hidden=False):
    shown = ((0, 1), (0, 1), (1, 1)) if hidden else ((1, 1),)
    return unit(6, bits((0, 1), (0, 2), *shown, (0, 1), (1, 1), (0, 1), (states_size, 1), (0, 40)))


def box(kind, *content):
    inside = b"".join(content)
    return struct.pack(">I4s", len(inside) + 8, kind) + inside


def avif(*streams, count=1, more=b""):
    """An AVIF of these streams, with `count` pieces each."""
    ftyp = box(b"ftyp", b"avif", bytes(4), b"avif")
    listed = [box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", k, 0, b"av01")) for k in range(9)]
    iinf = box(b"iinf", bytes(4), struct.pack(">H", 9), *listed)

    def meta(at):
        places = []
        for k, stream in enumerate(streams):
            place = struct.pack(">II", at, len(stream))
            places += [struct.pack(">HHH", k, 0, count), place * count]
            at += len(stream)
        iloc = box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(streams)), *places)
        return box(b"meta", bytes(4), iinf, iloc, more)

    return ftyp + meta(len(ftyp + meta(0)) + 8) + box(b"mdat", *streams)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("animated", [False, True])
def test_an_image_has_as_many_pixels_as_it_has(draw, encode, mode, animated):
    images = [draw(seed, 70, 50).convert(mode) for seed in range(3)]
    more = {"save_all": True, "append_images": images[1:]} if animated else {}
    assert decoded_pixels(encode(images[0], "AVIF", **more)) == 70 * 50


def test_a_stated_size_that_is_too_small_does_not_help(encode, hostile):
    lying = hostile.stated(encode(Image.new("RGB", (800, 500)), "AVIF"), 8, 5)
    detail = "0.4 megapixels: at most 0.225 for such a AVIF"
    assert check_image(lying, 0.5) == ImageCheck("too large", detail)
    assert check_image(lying, 2).width == 8


@pytest.mark.parametrize(
    ("stream", "pixels"),
    [
        (sequence() + frame(0), 100 * 50),
        (sequence() + frame(1), 2**15),
        (sequence() + frame(0, hidden=True) * 5 + frame(0), 6 * 100 * 50),
        (sequence() + frame(1, hidden=True) + frame(0), 2**15 + 100 * 50),
        (sequence() + frame(0) + sequence(width=200) + frame(0), 300 * 50),
        (unit(2, b"") + sequence() + unit(5, bytes(99)) + frame(0), 100 * 50),
        # timing with equal intervals, then with a model of the decoder, whose frames have times
        (sequence((1, 1), (0, 64), (1, 1), (5, 5), (0, 1)) + frame(0), 100 * 50),
        (frame(0), 0),
        (b"", 0),
    ],
)
def test_all_frames_count_with_the_size_that_they_may_have(stream, pixels):
    assert decoded_pixels(avif(stream)) == pixels


def test_an_image_may_have_a_second_stream_for_transparency():
    one = sequence() + frame(0)
    assert decoded_pixels(avif(one, one)) == 100 * 50
    assert decoded_pixels(avif(*8 * [one])) == 4 * 100 * 50


@pytest.mark.parametrize(
    ("data", "excess"),
    [
        (avif(sequence() + unit(15, b"") * MAX_UNITS), "units of AV1"),
        (avif(*9 * [bytes(9)], count=2000), "pieces of items"),
        (avif(*3 * [bytes(900_000)], count=3), "bytes of AV1"),
        (avif(b"", more=box(b"free") * MAX_BOXES), "boxes"),
        (avif(b"") + box(b"free") * MAX_BOXES, "boxes"),
    ],
)
def test_what_no_encoder_writes_is_refused(data, excess):
    check = check_image(data, 50)
    assert check.reason == "too large" and check.detail.startswith(f"{excess}: at most ")
