"""Run the decoder on images that are made to break it, from fixed seeds.

    python benchmarks/hostile_images.py [MUTATED]

Makes MUTATED (default 6,000) small images and damages them, and crafts 800 others: extreme sizes,
many scans, frames and chunks, odd modes and EXIF data, decompression bombs, long runs of 0xFF.
Runs each through `check_image` and, if accepted, through `decode`, each call in a process of its
own. Prints the number of each outcome and the most expensive calls. Exits 1 if a call raised or
took more than 2 s of CPU time or 500 MB, or if an accepted image was not decoded.
"""

import io
import os
import resource
import struct
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from PIL import Image

from thaw.data.validate import check_image
from thaw.images import decode

MAX_SECONDS, MAX_MEGABYTES = 2.0, 500.0
MEGAPIXELS = 50.0  # data.max_megapixels, its default
FRESH = get_context("forkserver")
SLOW_IMPORTS = ["thaw.data.validate", "scipy.fftpack", "PIL.TiffImagePlugin", "PIL.AvifImagePlugin"]
RESIZES = ("squash", "crop", "pad")
MARKS = (  # lengths, sizes and flags stand behind these bytes
    *(b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda", b"\xff\xe1", b"IHDR", b"PLTE", b"tRNS"),
    *(b"IDAT", b"acTL", b"fcTL", b"VP8", b"ANMF", b"EXIF", b"Exif", b"GIF89a", b"BM", b"II*\0"),
    *(b"ispe", b"iloc", b"iinf", b"av1C", b"mdat", b"pixi", b"meta"),
)
Images = Iterator[tuple[str, bytes]]  # name, content


def check(data: bytes) -> str:
    """The reason why an image is left out, or `accepted`."""
    return check_image(data, MEGAPIXELS).reason or "accepted"


def decode_quietly(data: bytes, number: int) -> str:
    """Decode an accepted image; `decoded` if it has the right shape and type."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about odd metadata
        pixels = decode(data, 64, RESIZES[number % len(RESIZES)], MEGAPIXELS)
    right = pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
    return "decoded" if right else f"decoded to {pixels.dtype} {pixels.shape}"


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def draw(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """Large blobs with a little noise."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)).resize((width, height))
    noisy = np.asarray(blobs).astype(int) + rng.integers(-9, 10, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def exif(orientation: object = 6) -> bytes:
    """EXIF data with a few tags."""
    found = Image.Exif()
    found[271], found[274], found[282] = "maker", orientation, 72.0
    found.get_ifd(34665)[36867] = "2020:01:01 00:00:00"
    return found.tobytes()


def whole_images() -> dict[str, bytes]:
    """Small sound images of every kind that Pillow can write."""
    rgb = draw(0)
    more: dict[str, Any] = {"save_all": True, "append_images": [draw(1), draw(2)]}
    grey = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    clear = rgb.convert("RGBA")
    clear.putalpha(draw(3).convert("L"))
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((rgb.convert(mode), "JPEG", {"quality": 90}) for mode in ("RGB", "L", "CMYK")),
        *((rgb, "JPEG", options) for options in ({"progressive": True}, {"exif": exif()})),
        (rgb, "JPEG", {"restart_marker_blocks": 2}),
        *((rgb.convert(mode), "PNG", {}) for mode in ("RGB", "L", "1", "P")),
        *((image, "PNG", {}) for image in (clear, clear.convert("LA"), grey)),
        *((rgb.convert("P"), "PNG", {"transparency": 3}), (rgb, "PNG", {"exif": exif()} | more)),
        *((clear, "WEBP", options) for options in ({}, {"lossless": True}, more)),
        *((rgb, "WEBP", {"exif": exif()}), (rgb, "GIF", {}), (rgb, "GIF", more)),
        *((rgb.convert(mode), "BMP", {}) for mode in ("RGB", "L", "1", "P", "RGBA")),
        *((rgb, "TIFF", {"compression": kind}) for kind in (None, "tiff_lzw", "jpeg", "lzma")),
        *((image, "TIFF", {}) for image in (clear, grey, rgb.convert("F"), rgb.convert("I"))),
        *((rgb.convert("1"), "TIFF", {"compression": "group4"}), (rgb, "TIFF", more)),
        *((image, "AVIF", {"speed": 10}) for image in (rgb, clear, rgb.convert("L"))),
        *((rgb, "AVIF", options) for options in ({"exif": exif()}, more)),
    ]
    return {f"{k} {kind}": encode(image, kind, **how) for k, (image, kind, how) in enumerate(kinds)}


def mutated(count: int) -> Images:
    """`count` small images, each with one to three kinds of damage."""
    rng, wholes = np.random.default_rng(0), list(whole_images().items())
    for number in range(count):
        name, data = wholes[number % len(wholes)]
        for _ in range(rng.integers(1, 4)):
            damage = DAMAGES[rng.integers(len(DAMAGES))]
            data = damage(data, wholes[rng.integers(len(wholes))][1], rng) if data else data
        yield f"mutated {number} of {name}", data


def flip_bits(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Flip up to eight bits anywhere."""
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 9)):
        changed[at] ^= 1 << int(rng.integers(8))
    return repair(bytes(changed))


def truncate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Cut the end off."""
    return data[: rng.integers(len(data))]


def splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Put a piece of another image over, or into, this one."""
    start, end = sorted(rng.integers(len(other) + 1, size=2))
    at = rng.integers(len(data) + 1)
    return data[:at] + other[start:end] + data[at + (end - start) * rng.integers(2) :]


def repeat(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Repeat a piece up to 50 times, or remove it."""
    start, end = sorted(rng.integers(len(data) + 1, size=2))
    return data[:start] + data[start:end] * rng.choice([0, 2, 3, 50]) + data[end:]


def edit_field(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Set one or two bytes near a marker or the name of a chunk to a small or an extreme value."""
    found = [at for mark in MARKS if (at := data.find(mark)) >= 0]
    if not found:
        return data
    changed = bytearray(data)
    at = max(0, int(rng.choice(found)) + int(rng.integers(-4, 24)))
    value = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF], size=2).astype(np.uint8).tobytes()
    changed[at : at + rng.integers(1, 3)] = value[: len(changed[at : at + 2])]
    return repair(bytes(changed))


DAMAGES = (flip_bits, truncate, splice, repeat, edit_field, edit_field)


def repair(data: bytes) -> bytes:
    """Correct the checksums of a PNG, or no damage would reach the decoder."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    at, parts = 8, [data[:8]]
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : end]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at = end + 4
    return b"".join(parts) + data[at:]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    size: tuple[int, int],
    kind: tuple[int, int],
    rows: bytes,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG. kind: bits of a sample, colour type; rows: each with its filter, uncompressed."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, *kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows, 1))
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + after + chunk(b"IEND", b"")


def noisy_png(width: int, height: int, kind: tuple[int, int], line_filter: int) -> bytes:
    """A PNG whose rows compress a little and take the given filter."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind[1]]
    rng = np.random.default_rng(0)
    block = rng.integers(0, 8, (64, 1 + width * samples * kind[0] // 8), np.uint8)
    block[:, 0] = line_filter
    rows = np.tile(block, (-(-height // 64), 1))[:height].tobytes()
    palette = chunk(b"PLTE", bytes(range(24))) if kind[1] == 3 else b""
    return png((width, height), kind, rows, palette)


def with_scans(size: tuple[int, int], count: int, mode: str = "RGB") -> bytes:
    """A progressive JPEG that repeats its last scan, until it has `count`."""
    data = encode(Image.new(mode, size), "JPEG", progressive=True, subsampling=0)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * (count - data.count(b"\xff\xda")) + b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def inside_jpeg(inserted: bytes, at: int = 2) -> bytes:
    """A JPEG with something inserted, by default at the beginning."""
    data = encode(draw(4), "JPEG")
    return data[:at] + inserted + data[at:]


def small_jpegs() -> Images:
    """JPEGs with many segments, scans and bytes that mean nothing."""
    end = len(encode(draw(4), "JPEG")) - 2
    for count in (10, 60_000, 2_000_000):
        yield f"{count} times FF at the start", inside_jpeg(b"\xff" * count)
        yield f"{count} times FF before the end", inside_jpeg(b"\xff" * count, end)
        yield f"{count} times FF at the end", inside_jpeg(b"")[:end] + b"\xff" * count
        yield f"{count} zeros", inside_jpeg(bytes(count))
        yield f"{count} times FF00", inside_jpeg(b"\xff\0" * count, end)
        yield f"{count} restarts", inside_jpeg(b"\xff\xd0" * count, end)
        yield f"{count} times TEM", inside_jpeg(b"\xff\x01" * count)
        yield f"{count} nested starts", inside_jpeg(b"\xff\xd8" * count)
        yield f"{count} empty segments", inside_jpeg(segment(0xE5, b"") * count)
    for count, body in product((10, 900, 1100), (b"", bytes(60), bytes(8000), b"MPF\0" * 9)):
        yield f"{count} EXIF segments", inside_jpeg(segment(0xE1, b"Exif\0\0" + body) * count)
        yield (
            f"{count} segments of a profile",
            inside_jpeg(segment(0xE2, b"ICC_PROFILE\0" + body) * count),
        )
        yield (
            f"{count} blocks of Photoshop",
            inside_jpeg(
                segment(0xED, b"Photoshop 3.0\0" + b"8BIM\0\0\0\0\0\0\0\0" * 500) * (count // 10)
            ),
        )
    for side, count in product((16, 300, 1000, 3000), (9, 11, 50, 106, 500, 3000)):
        yield f"{count} scans of {side} pixels", with_scans((side, side), count)
    for code in range(0xC0, 0xD0):
        frame = struct.pack(">BHHB9B", 8, 9000, 9000, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
        yield f"a second frame {code:x}", inside_jpeg(segment(code, frame))


def small_exif() -> Images:
    """Sound images with odd EXIF data."""
    blocks = {"none": b"", "short": b"II", "no tags": b"II*\0\x08\0\0\0\0\0\0\0\0\0"}
    for value in (0, 1, 5, 6, 8, 9, 255, 65535):
        blocks[f"orientation {value}"] = exif(value)[6:]
    for kind, count in product((1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 99), (0, 1, 2, 70_000_000)):
        tag = struct.pack("<HHIBBBB", 274, kind, count, 6, 0, 0, 0)
        blocks[f"{count} of type {kind}"] = b"II*\0\x08\0\0\0\x01\0" + tag + bytes(4)
    many = b"".join(struct.pack("<HHII", tag, 4, 16_000, 8) for tag in range(5000))
    blocks["many tags"] = b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + many
    blocks["itself"] = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIII", 34665, 4, 1, 8, 8)
    for name, block in blocks.items():
        body = b"Exif\0\0" + block
        if len(body) < 65_000:
            yield f"JPEG, EXIF {name}", inside_jpeg(segment(0xE1, body))
        yield f"PNG, EXIF {name}", encode(draw(5), "PNG", exif=body)
        yield f"WEBP, EXIF {name}", encode(draw(5), "WEBP", exif=body)


def small_pngs() -> Images:
    """PNGs with odd chunks and kinds."""
    rows = bytes(41 * 30)
    deep = zlib.compress(bytes(2**20), 9)
    bombs = {
        "texts": (b"zTXt", b"a\0\0" + deep),
        "texts of Unicode": (b"iTXt", b"a\0\x01\0\0\0" + deep),
        "profiles": (b"iCCP", b"a\0\0" + deep),
        "unknown chunks": (b"abCd", b"12"),
        "animations": (b"acTL", struct.pack(">II", 2**31 - 1, 0)),
    }
    for (name, (kind, body)), count in product(bombs.items(), (1, 60, 240, 3000)):
        yield f"{count} {name} before", png((40, 30), (8, 0), rows, chunk(kind, body) * count)
        yield f"{count} {name} after", png((40, 30), (8, 0), rows, after=chunk(kind, body) * count)
    for count in (1000, 99_000, 1_000_000):
        empty = chunk(b"IDAT", b"") * count
        yield f"{count} empty chunks of pixels", png((40, 30), (8, 0), rows, empty)
        yield f"{count} after the pixels", png((40, 30), (8, 0), rows, after=empty)
    for size in ((0, 0), (0, 5), (2**31 - 1, 1), (1, 50_000_000), (65_536, 1), (65_535, 1)):
        yield f"{size[0]} x {size[1]}", png(size, (1, 0), bytes(min(2, size[0]) * min(size[1], 9)))
    yield "a tall one", png((1, 50_000_000), (1, 0), bytes(100_000_000))


def small_kinds() -> Images:
    """PNGs of every depth and colour type, and files that only begin as images."""
    for bits, colour in product((1, 2, 4, 8, 16), (0, 2, 3, 4, 6)):
        for before in (b"", chunk(b"tRNS", bytes(6)), chunk(b"PLTE", bytes(range(24)))):
            yield f"{bits} bits, colour {colour}", png((9, 9), (bits, colour), bytes(900), before)
    starts = (b"", b"\0", b"\xff\xd8", b"\xff\xd8\xff", b"BM", b"GIF89a", b"RIFF1234WEBP", b"II*\0")
    for start in starts:
        yield f"only {start!r}", start
        yield f"{start!r} and zeros", start + bytes(5000)
        yield f"{start!r} and FF", start + b"\xff" * 100_000


def tiff(tags: dict[int, tuple[int, int, bytes]], wide: bool = False, pixels: bytes = b"") -> bytes:
    """A TIFF with one page. tags: code: type, number of values, the values as bytes."""
    word, entry = (8, 20) if wide else (4, 12)
    start = 16 if wide else 8
    values_at = start + (8 if wide else 2) + entry * len(tags) + word
    head = struct.pack("<2sHHHQ" if wide else "<2sHI", *TIFF_START[wide], start)
    listed, values = [struct.pack("<Q" if wide else "<H", len(tags))], pixels
    for code, (kind, count, value) in sorted(tags.items()):
        if len(value) > word:
            place, values = struct.pack("<Q", values_at + len(values))[:word], values + value
        else:
            place = value.ljust(word, b"\0")
        listed.append(struct.pack("<HHQ" if wide else "<HHI", code, kind, count) + place)
    return head + b"".join(listed) + bytes(word) + values


TIFF_START: dict[bool, tuple[object, ...]] = {False: (b"II", 42), True: (b"II", 43, 8, 0)}


def page(width: int, height: int, *more: tuple[int, int]) -> dict[int, tuple[int, int, bytes]]:
    """The tags of a grey page, and `more` numbers."""
    numbers = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height, 273: 8}
    numbers |= {279: width * height} | dict(more)
    return {code: (4, 1, struct.pack("<I", value)) for code, value in numbers.items()}


def small_tiffs() -> Images:
    """TIFFs with odd tags and kinds."""
    for wide, compression in product((False, True), (1, 2, 3, 4, 5, 6, 7, 8, 32773, 34925, 50000)):
        for bits, samples, colour in ((8, 3, 2), (16, 4, 2), (32, 1, 1), (1, 1, 0), (8, 3, 8)):
            how = ((259, compression), (258, bits), (277, samples), (262, colour))
            yield f"TIFF {compression}, {bits} bits", tiff(page(30, 20, *how), wide, bytes(9999))
    for tile in ((16, 16), (60_000, 16), (16, 60_000), (60_000, 60_000), (0, 0), (2**32 - 1, 16)):
        tags = page(20, 30_000, (322, tile[0]), (323, tile[1]), (259, 8))
        tags[324] = tags[325] = (4, 2000, struct.pack("<I", 9) * 2000)
        yield f"tiles of {tile[0]} x {tile[1]}", tiff(tags, pixels=bytes(999))
    for kind, count in product((1, 3, 4, 16), (1000, 200_000, 3_000_000)):
        tags = page(1, 40_000, (278, 1))
        size = {1: 1, 3: 2, 4: 4, 16: 8}[kind]
        tags[273] = tags[279] = (kind, count, bytes(count * size))
        yield f"{count} strips of type {kind}", tiff(tags, kind == 16, bytes(50_000))
    for count in (1000, 30_000, 60_000):
        many = page(20, 20) | {code: (3, 1, b"ab") for code in range(1000, 1000 + count)}
        yield f"{count} tags", tiff(many, pixels=bytes(400))
        yield f"{count} tags of BigTIFF", tiff(many, True, bytes(400))
    inner = struct.pack("<Q", 2_000_000) + struct.pack("<HHQQ", 5, 3, 1, 7) * 100_000
    yield "a directory of EXIF tags", tiff(page(20, 20) | {34665: (16, 1, struct.pack("<Q", 16))}
                                           , True, inner)  # fmt: skip


def small_others() -> Images:
    """GIFs, WEBPs, BMPs and AVIFs with many or odd parts, and what is no image."""
    gif, webp = encode(draw(6), "GIF"), encode(draw(6), "WEBP", exif=exif())
    avif, bmp = encode(draw(6), "AVIF", speed=10), encode(draw(6), "BMP")
    for count in (1000, 900_000, 5_000_000):
        yield f"{count} GIF blocks", gif[:-1] + b"!\xfe" + b"\x01a" * count + b"\0;"
        yield f"{count} GIF comments", gif[:13] + b"!\xfe\0" * count + gif[13:]
        yield f"{count} WEBP chunks", riff(webp[12:] + b"abcd\0\0\0\0" * count)
        yield f"{count} WEBP frames", riff(webp[12:] + b"ANMF\0\0\0\0" * (count // 10))
    for frames in (2, 300):
        copies = [draw(k % 9, 12, 12) for k in range(frames)]
        for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
            yield (
                f"{frames} frames of {kind}",
                encode(copies[0], kind, save_all=True, append_images=copies[1:]),
            )
    for at, value in product(
        (2, 6, 10, 14, 18, 22, 26, 28, 30, 34, 46), (0, 1, 40, 2**31, 2**32 - 1)
    ):
        yield f"BMP, {value} at {at}", bmp[:at] + struct.pack("<I", value) + bmp[at + 4 :]
    for bits, compression in product((4, 8), (1, 2)):
        for codes in (b"\x01\x01", b"\xff\x01", b"\0\x02\x01\0", b"\0\0", b"\0\x01", b"\0\xff"):
            yield (
                f"run lengths {codes.hex()}",
                run_length(300, 300, bits, compression, codes * 9000),
            )
    for item in range(0, 60_000, 20_000):
        yield f"{item} items", with_items(avif, item)
    for brand in (b"heic", b"mif1", b"avis", b"isom", b"qt  "):
        yield f"brand {brand.decode()}", avif[:8] + brand + bytes(4) + brand * 3


def riff(body: bytes) -> bytes:
    """A WEBP with these chunks."""
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def run_length(width: int, height: int, bits: int, compression: int, codes: bytes) -> bytes:
    """A BMP of run-length encoded rows."""
    info = struct.pack("<IiiHHIIIIII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    palette = bytes(range(256)) * (4 if bits == 8 else 1)
    palette = palette[: 4 * 2**bits]
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, start) + info + palette + codes


def with_items(avif: bytes, count: int) -> bytes:
    """An AVIF that lists `count` more items."""
    at = avif.find(b"iinf") - 4
    size = struct.unpack(">I", avif[at : at + 4])[0]
    items = b"".join(
        struct.pack(">I4sIHH5s", 21, b"infe", 2 << 24, k % 60_000 + 9, 0, b"Exif\0")
        for k in range(count)
    )
    box = struct.pack(">I", size + len(items)) + avif[at + 4 : at + size] + items
    meta = avif.find(b"meta") - 4
    total = struct.unpack(">I", avif[meta : meta + 4])[0] + len(items)
    return avif[:meta] + struct.pack(">I", total) + avif[meta + 4 : at] + box + avif[at + size :]


def stated(avif: bytes, width: int, height: int) -> bytes:
    """An AVIF that says that it has this size."""
    parts = avif.split(b"ispe")
    size = struct.pack(">III", 0, width, height)
    return b"ispe".join([parts[0], *(size + part[12:] for part in parts[1:])])


def photo(megapixels: float, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Noise, which compresses badly, of so many pixels, 4:3."""
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = int(megapixels * 1e6 / height)
    block = np.random.default_rng(seed).integers(90, 166, (500, 500, 3), np.uint8)
    rows, columns = -(-height // 500), -(-width // 500)
    image = Image.fromarray(np.tile(block, (rows, columns, 1))[:height, :width])
    return image.convert(mode)


def largest(name: str, make: Callable[[float], bytes], megapixels: float = 49.9) -> Images:
    """An image of 50 megapixels, and, if that is too large, the largest that is accepted."""
    data = make(megapixels)
    yield f"{name}, {megapixels:.4g} MP", data
    found = check_image(data, MEGAPIXELS)
    if found.reason == "too large" and "megapixels: at most" in found.detail:
        most = float(found.detail.partition("at most ")[2].split()[0]) * 0.99
        yield f"{name}, {most:.4g} MP", make(most)


def saved(kind: str, mode: str = "RGB", **options: Any) -> Callable[[float], bytes]:
    """A function that encodes a photo of so many megapixels."""
    return lambda megapixels: encode(photo(megapixels, mode), kind, **options)


TURNED: dict[str, Any] = {"exif": exif(5)}


def large_jpegs() -> Images:
    """The largest JPEGs that are accepted, and some that are larger."""
    for mode, progressive, quality in product(("RGB", "L", "CMYK"), (False, True), (20, 95)):
        how: dict[str, Any] = {"progressive": progressive, "quality": quality}
        yield from largest(f"JPEG {mode} {how}", saved("JPEG", mode, **how, **TURNED))
    how = {"progressive": True, "subsampling": 0, "quality": 20}
    yield from largest("JPEG of full sampling", saved("JPEG", **how, **TURNED))
    for megapixels, subsampling in ((49.9, 2), (44, 0), (20, 0)):
        how = {"progressive": True, "subsampling": subsampling, **TURNED}
        data = close_to(20, photo(megapixels), "JPEG", **how)
        yield f"20 MB of progressive JPEG, {megapixels} MP", data
    for side, count in ((7000, 10), (5000, 20), (3000, 55), (2000, 124), (7000, 106)):
        for mode in ("RGB", "L"):
            yield f"{count} scans of {side}, {mode}", with_scans((side, side), count, mode)


def large_bitmaps() -> Images:
    """The largest PNGs, BMPs and GIFs that are accepted, and some that are larger."""
    for bits, colour, row in product((8, 16), (0, 2, 3, 4, 6), (0, 4)):
        if (bits, colour) != (16, 3):
            make = partial(png_of, kind=(bits, colour), row=row)
            yield from largest(f"PNG {bits} bits, colour {colour}, filter {row}", make)
    for mode, side in product(("1", "L", "RGBA"), (9000, 13_000, 20_000)):
        yield f"PNG bomb of {side}, {mode}", encode(Image.new(mode, (side, side)), "PNG")
    for mode in ("RGB", "RGBA", "L", "1", "P"):
        yield from largest(f"BMP {mode}", saved("BMP", mode))
    for bits, codes in ((8, b"\1\1" * 1000), (4, b"\xff\1" * 4), (8, b"\0\2\1\0" * 1000)):
        make = partial(run_lengths, bits=bits, codes=codes + b"\0\0")
        yield from largest(f"run lengths of {bits} bits, {codes[:2]!r}", make)
    for count in (3_900_000, 5_000_000):
        yield f"{count} empty runs", run_length(1000, 1000, 8, 1, b"\0\0" * count)
    yield from largest("GIF", saved("GIF", "L"))


def large_others() -> Images:
    """The largest WEBPs, AVIFs and TIFFs that are accepted."""
    for mode, how in product(("RGB", "RGBA"), ({"quality": 50}, {"lossless": True, "quality": 0})):
        yield from largest(f"WEBP {mode} {how}", saved("WEBP", mode, method=0, **how, **TURNED))
    for mode in ("RGB", "RGBA"):
        fast = {"speed": 10, "subsampling": "4:4:4", **TURNED}
        yield from largest(f"AVIF {mode}", saved("AVIF", mode, quality=1, **fast))
        yield f"20 MB of AVIF {mode}", close_to(20, photo(22, mode), "AVIF", **fast)
    lying = "AVIF of 100 x 100, as it says"
    yield lying, stated(encode(Image.new("RGB", (12_000, 12_000)), "AVIF", **fast), 100, 100)
    yield from largest(lying, lambda most: stated(saved("AVIF", **fast)(most), 100, 100))
    kinds = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg")
    for mode, compression in product(("RGB", "RGBA", "F", "I", "CMYK", "LAB"), kinds):
        if compression != "jpeg" or mode in ("RGB", "CMYK"):
            make = partial(tiff_of, mode=mode, compression=compression)
            yield from largest(f"TIFF {mode} {compression}", make)
    for compression in ("group3", "group4"):
        yield from largest(f"TIFF {compression}", saved("TIFF", "1", compression=compression))


def large_images() -> Images:
    """The largest images of every kind that are accepted, and some that are larger."""
    yield from large_jpegs()
    yield from large_bitmaps()
    yield from large_others()


def close_to(limit: float, image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file of the highest quality that has at most `limit` MB."""
    files = (encode(image, kind, quality=quality, **options) for quality in range(95, 0, -5))
    return next(data for data in files if len(data) <= limit * 1e6)


def run_lengths(megapixels: float, bits: int, codes: bytes) -> bytes:
    """A BMP of run-length encoded rows, 1000 pixels each."""
    return run_length(
        1000, int(megapixels * 1000), bits, bits // 4 % 2 + 1, codes * int(megapixels * 1000)
    )


def png_of(megapixels: float, kind: tuple[int, int], row: int) -> bytes:
    """A PNG of noise."""
    return noisy_png(int(megapixels * 1e6 / 6000), 6000, kind, row)


def tiff_of(megapixels: float, mode: str, compression: str | None) -> bytes:
    """A TIFF of noise, to be turned."""
    image = photo(megapixels, "RGB" if mode == "LAB" else mode)
    if mode == "LAB":
        image = Image.frombytes("LAB", image.size, image.tobytes())
    return encode(image, "TIFF", compression=compression, tiffinfo={274: 5})


def crafted_small() -> Images:
    """A few hundred crafted images that cost little."""
    yield from small_jpegs()
    yield from small_exif()
    yield from small_kinds()
    yield from small_pngs()
    yield from small_tiffs()
    yield from small_others()


def in_child(call: Callable[..., str], *arguments: object) -> tuple[str, float, float]:
    """Run `call` in a process of its own: what it returned, seconds of CPU time, and MB.

    The process is forked from one that has made no image, so that it finds no free memory.
    """
    receiver, sender = FRESH.Pipe(duplex=False)
    process = FRESH.Process(target=measure, args=(sender, call, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return "raised: the process died", 0.0, 0.0
    finally:
        process.join()


def measure(sender: Connection, call: Callable[..., str], arguments: tuple[object, ...]) -> None:
    """Send what `in_child` returns."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes about damage
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        found = call(*arguments)
    except BaseException as error:
        found = f"raised {error!r}"
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sender.send((found, seconds, (after.ru_maxrss - before.ru_maxrss) * 1024 / 1e6))


def main() -> None:
    """Run all images, print the outcomes, and exit 1 if one of them is wrong."""
    FRESH.set_forkserver_preload(SLOW_IMPORTS)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
    outcomes: Counter[str] = Counter()
    calls, wrong = [], []
    for source in (mutated(count), crafted_small(), large_images()):
        for number, (name, data) in enumerate(source):
            found = [in_child(check, data)]
            if found[0][0] == "accepted":
                found.append(in_child(decode_quietly, data, number))
            outcomes[found[0][0]] += 1
            for result, seconds, megabytes in found:
                calls.append((seconds, megabytes, f"{name}: {result}"))
                over = seconds > MAX_SECONDS or megabytes > MAX_MEGABYTES
                if over or result.startswith(("raised", "decoded to")):
                    wrong.append(calls[-1])
            if found[0][0] == "accepted" and found[1][0] != "decoded":
                wrong.append(calls[-1])
    print(f"{sum(outcomes.values())} images: {dict(outcomes.most_common())}")
    for title, listed in (
        ("slowest", sorted(calls, reverse=True)[:8]),
        ("largest", sorted(calls, key=lambda call: -call[1])[:8]),
        (f"{len(wrong)} wrong", wrong),
    ):
        print(f"\n{title}:")
        for seconds, megabytes, name in listed:
            print(f"  {seconds:5.2f} s {megabytes:6.0f} MB  {name}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
