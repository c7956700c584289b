"""Small archives of every format, ways to damage them, and archives crafted to mislead a reader.

`read_hostile_archives.py` reads them all.
"""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable

Files = dict[str, bytes]


def make_files(seed: int) -> Files:
    """A few small files: random, compressible and empty, with long and with foreign names."""
    rng = random.Random(seed)
    files = {f"pets/Cat/image-{number}.jpg": rng.randbytes(rng.randrange(2000)) for number in "123"}
    return files | {
        "pets/Dog/empty.jpg": b"",
        "pets/Dog/drawing.bmp": bytes(rng.choices(b"ab", k=3000)),
        f"pets/Dog/{'long' * 30}.jpg": rng.randbytes(600),
        "pets/Dog/größe.jpg": rng.randbytes(512),
    }


class Unseekable(io.RawIOBase):
    """Makes `zipfile` write sizes and checksums behind the members."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        return self.written.write(data)


def make_zip(
    files: Files, method: int = zipfile.ZIP_STORED, comment: bytes = b"", seekable: bool = True
) -> bytes:
    stream = io.BytesIO() if seekable else Unseekable()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("pets/", b"")
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
        archive.comment = comment
    return stream.getvalue() if seekable else stream.written.getvalue()


def make_tar(files: Files, kind: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("pets")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if kind == tarfile.PAX_FORMAT:
                info.mtime = 1.5  # a fraction takes a record
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def make_pax(files: Files) -> bytes:
    return make_tar(files, tarfile.PAX_FORMAT)


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


FORMATS: dict[str, Callable[[Files], bytes]] = {
    "zip": make_zip,
    "zip deflated": lambda files: make_zip(files, zipfile.ZIP_DEFLATED),
    "zip bz2": lambda files: make_zip(files, zipfile.ZIP_BZIP2),
    "zip lzma": lambda files: make_zip(files, zipfile.ZIP_LZMA),
    "zip commented": lambda files: make_zip(files, comment=b"some pets"),
    "zip streamed": lambda files: make_zip(files, zipfile.ZIP_DEFLATED, seekable=False),
    "tar gnu": make_tar,
    "tar pax": make_pax,
    "tar.gz gnu": lambda files: gz(make_tar(files)),
    "tar.gz pax": lambda files: gz(make_pax(files)),
    "tar.bz2": lambda files: bz2.compress(make_tar(files)),
    "tar.xz": lambda files: lzma.compress(make_pax(files)),
}
UNCHECKED = ("tar gnu", "tar pax")  # without checksums of contents


def flip_bit(rng: random.Random, data: bytes, other: bytes) -> bytes:
    changed, bit = bytearray(data), rng.randrange(8 * len(data))
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def flip_bits(rng: random.Random, data: bytes, other: bytes) -> bytes:
    for _ in range(rng.randrange(2, 9)):
        data = flip_bit(rng, data, other)
    return data


def cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_at_block(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: 512 * rng.randrange(1 + len(data) // 512)]


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """The start of one archive and the end of another."""
    return data[: rng.randrange(1, len(data))] + other[rng.randrange(1, len(other)) :]


def splice_in_place(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(1, min(len(data), len(other)))
    return data[:at] + other[at:]


def lose(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(rng.choices(range(len(data)), k=2))
    return data[:start] + data[end:]


def repeat(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(rng.choices(range(len(data)), k=2))
    return data[:end] + data[start:]


def overwrite(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A lost sector, or a number at its largest."""
    piece = rng.choice([bytes(512), bytes(1024), b"\xff\xff", b"\xff" * 4, b"\xff" * 8])
    start = rng.randrange(len(data))
    start -= start % (512 if len(piece) >= 512 else 1)
    return data[:start] + piece + data[start + len(piece) :]


DAMAGE = (
    flip_bit,
    flip_bits,
    cut,
    cut_at_block,
    splice,
    splice_in_place,
    lose,
    repeat,
    overwrite,
)


def header(name: bytes = b"Cat/1.jpg", size: bytes = b"0", kind: bytes = b"0") -> bytes:
    """A ustar header with a right checksum and any bytes in its fields."""
    fields = (name, b"", size, b"", b" " * 8, kind, b"", b"ustar\x0000", b"")
    block = struct.pack("100s24s12s12s8s1s100s8s247s", *fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def sparse_header() -> bytes:
    """A sparse file of old GNU tar whose map goes on in the next block, which is missing."""
    block = bytearray(header(kind=b"S"))
    block[482] = 1
    block[148:156] = b" " * 8
    return bytes(block[:148] + b"%06o\0 " % sum(block) + block[156:])


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def record(keyword: bytes, value: bytes) -> bytes:
    """A record of a pax header. Its length counts its own digits."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    """A tar of one member behind a pax header."""
    member = header(size=b"6") + padded(b"pixels")
    return header(b"pax", b"%o" % len(records), kind) + padded(records) + member + bytes(1024)


def sparse(**records: str) -> bytes:
    """A tar of one member with records GNU.sparse.…"""
    return pax(
        b"".join(record(b"GNU.sparse." + k.encode(), v.encode()) for k, v in records.items())
    )


def patch(magic: bytes, changes: dict[int, bytes], data: bytes | None = None) -> bytes:
    """A zip, of ONE by default, with bytes changed behind the last record with this magic."""
    changed = bytearray(make_zip(ONE) if data is None else data)
    start = changed.rindex(magic)
    for offset, piece in changes.items():
        changed[start + offset : start + offset + len(piece)] = piece
    return bytes(changed)


def renamed(old: bytes, new: bytes) -> bytes:
    return make_zip({old.decode(): b"pixels"}).replace(old, new)


def hidden_entry() -> bytes:
    """A zip with an entry as long as the comment of the entry before claims to be."""
    data = make_zip({f"Cat/{number}.jpg": b"pixels" for number in "123"})
    at = data.index(CENTRAL, data.index(CENTRAL) + 1)  # behind the entry of the folder
    length = data.index(CENTRAL, at + 1) - at
    return data[: at + 32] + struct.pack("<H", length) + data[at + 34 :]


def lying_bomb(method: int, size: int) -> bytes:
    """A zip with a member of `size` zeros that claims 600 bytes."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", method) as archive,
        archive.open("Cat/1.bmp", "w", force_zip64=True) as member,
    ):
        for _ in range(size // 10**6):
            member.write(bytes(10**6))
    return patch(CENTRAL, {24: struct.pack("<I", 600)}, stream.getvalue())


def long_name_bomb(size: int) -> bytes:
    """A tar.gz with a name of `size` zeros."""
    stream = io.BytesIO()
    with gzip.open(stream, "w") as archive:
        archive.write(header(b"name", b"%o" % size, b"L"))
        for _ in range(size // 10**6):
            archive.write(bytes(10**6))
    return stream.getvalue()


CENTRAL, END = b"PK\1\2", b"PK\5\6"
ONE = {"Cat/1.jpg": b"pixels" * 100}
TAR, TAR_GZ = make_tar(ONE), gz(make_tar(ONE))
BORDER = 512  # in TAR, between its folder and its file
CLOSE = bytes(1024)  # the end mark of a tar
NEGATIVE, HUGE = b"\xff" * 12, b"\x80" + b"\xff" * 11  # in base 256
LZMA_ZIP = make_zip(ONE, zipfile.ZIP_LZMA)
LZMA_START = b"\x05\x00\x5d"  # length of the properties, and the first of them

CRAFTED: dict[str, bytes] = {  # all are to be refused
    "tar cut at a border": TAR[:BORDER],
    "tar.gz of a tar cut at a border": gz(TAR[:BORDER]),
    "tar with an early end": TAR[:BORDER] + CLOSE + TAR[BORDER:],
    "tar.gz with an early end": gz(TAR[:BORDER] + CLOSE + TAR[BORDER:]),
    "tar with a damaged header": TAR[:BORDER] + b"X" + TAR[BORDER + 1 :],
    "tar.gz with a damaged header": gz(TAR[:BORDER] + b"X" + TAR[BORDER + 1 :]),
    "two tars in a row": TAR + make_tar({"Dog/1.jpg": b"pixels"}),
    "tar.gz with a wrong checksum": TAR_GZ[:-8] + bytes(4) + TAR_GZ[-4:],
    "tar.gz with a wrong size": TAR_GZ[:-4] + bytes(4),
    "tar.gz without its checksum": TAR_GZ[:-8],
    "tar.gz of no tar": gz(b"notes" * 1000),
    "tar.xz with a huge dictionary": b"\x5d\x00\x00\x80\xff" + lzma.compress(TAR)[5:],
    "tar with a negative size": header(size=NEGATIVE) + CLOSE,
    "tar with a huge size": header(size=HUGE) + CLOSE,
    "tar with a size that is no number": header(size=b"12x") + CLOSE,
    "tar without a name": header(b"") + CLOSE,
    "tar with the name .": header(b".") + CLOSE,
    "tar with a name in Latin-1": header(b"Cat/\xe9.jpg") + CLOSE,
    "tar with a long name and no member": header(size=b"3", kind=b"L") + padded(b"Cat") + CLOSE,
    "pax with a record and no member": pax(record(b"mtime", b"1"))[:1024] + CLOSE,
    "tar with a huge long name": gz(header(size=HUGE, kind=b"L") + bytes(10**6)),
    "tar with a negative long name": header(size=NEGATIVE, kind=b"L") + CLOSE,
    "pax with a negative size": pax(record(b"size", b"-512")),
    "pax with a huge size": pax(record(b"size", b"9" * 5000)),
    "pax with a size that is no number": pax(record(b"size", b"many")),
    "pax with an empty size": pax(record(b"size", b"")),
    "pax with a negative size for all": pax(record(b"size", b"-1"), kind=b"g"),
    "pax with a path that leads out": pax(record(b"path", b"../1.jpg")),
    "pax with a path of zeros": pax(record(b"path", bytes(9))),
    "pax with a wrong length": pax(b"15 path=Cat/2.jpg\n"),
    "pax with a length of zero": pax(b"0 path=Cat/2.jpg\n"),
    "pax with a length beyond its end": pax(b"9999 path=Cat/2.jpg\n"),
    "pax with a length of many digits": pax(b"1" * 500_000),
    "pax without a value": pax(b"7 path\n"),
    "pax of many records": pax(record(b"a", b"1") * 100_000 + b"x"),
    "sparse 0.0": sparse(size="9" * 30, offset="x", numbytes="-1"),
    "sparse 0.1": sparse(map="1,2,x"),
    "sparse 0.1 of odd length": sparse(map="0,1,1000000000000", size="7"),
    "sparse 1.0": sparse(major="1", minor="0", realsize="-3"),
    "sparse of GNU": header(kind=b"S") + CLOSE,
    "sparse of GNU that goes on": sparse_header(),
    "headers that unpack a thousandfold": gz(header(b"Cat/", kind=b"5") * 20_000 + CLOSE),
    "zeros behind the end": bz2.compress(TAR + bytes(10**7)),
    "zip without a name": make_zip({"": b"pixels"}),
    "zip with the name .": make_zip({".": b"pixels"}),
    "zip with a zero in a name": renamed(b"Cat/1.jpgX", b"Cat/1.jpg\0"),
    "zip with a name that is no UTF-8": patch(CENTRAL, {8: b"\0\x08", 46: b"\xff"}),
    "zip with two names of a file": patch(CENTRAL, {46: b"D"}),
    "zip with two names of a folder": patch(CENTRAL, {46: b"q"}, make_zip({})),
    "zip with two encodings": patch(CENTRAL, {8: b"\0\0"}, make_zip({"Cat/é.jpg": b"pixels"})),
    "zip with a file as a folder": renamed(b"Cat/1.jpgX", b"Cat/1.jpg/"),
    "zip with a hidden entry": hidden_entry(),
    "zip with a wrong count": patch(END, {10: b"\3"}),
    "zip with a count of zero": patch(END, {8: bytes(8)}),
    "zip behind other bytes": b"PK" + make_zip(ONE),
    "two zips in a row": make_zip({"Dog/1.jpg": b"pixels"}) + make_zip(ONE),
    "zip before other bytes": make_zip(ONE) + b"pixels",
    "zip with a huge offset": patch(CENTRAL, {42: b"\xff" * 4}),
    "zip with a huge packed size": patch(CENTRAL, {20: b"\xfe" * 4}),
    "zip with an unknown method": patch(CENTRAL, {10: b"\x63"}),
    "zip of a future version": patch(CENTRAL, {6: b"\x63"}),
    "zip with a damaged bz2": make_zip(ONE, zipfile.ZIP_BZIP2).replace(b"1AY", b"1AX"),
    "zip with a bz2 that is none": patch(CENTRAL, {10: b"\x0c"}),
    "zip with a damaged LZMA": LZMA_ZIP.replace(LZMA_START, b"\x05\x00\xff"),
    "zip with an LZMA that is none": patch(CENTRAL, {10: b"\x0e"}),
    "zip with a huge LZMA dictionary": LZMA_ZIP.replace(
        LZMA_START + struct.pack("<I", 8 * 2**20), LZMA_START + b"\xff" * 4
    ),
}
BOMBS: dict[str, Callable[[], bytes]] = {  # each would take more memory than is allowed
    "deflated bomb that lies": lambda: lying_bomb(zipfile.ZIP_DEFLATED, 600 * 10**6),
    "bz2 bomb that lies": lambda: lying_bomb(zipfile.ZIP_BZIP2, 600 * 10**6),
    "LZMA bomb that lies": lambda: lying_bomb(zipfile.ZIP_LZMA, 600 * 10**6),
    "tar.gz bomb in a long name": lambda: long_name_bomb(600 * 10**6),
}
