"""Find the AV1 streams of an AVIF, and tell how many pixels decoding them makes.

The size that the file states is no bound: libavif decodes a stream at its own size, then scales.
Boxes are those of ISO/IEC 14496-12 and 23008-12; the headers of a stream are described in sections
5.3 to 5.9 of the AV1 specification.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Above these bounds a file is none that an encoder wrote.
MAX_BOXES = 10_000  # in a row
MAX_PIECES = 10_000  # of all items; they may take no byte in the list of them
MAX_UNITS = 10_000  # of all streams; a frame has one or two
MAX_SHARED_BYTES = 2**20  # of streams that lie over others, as equal parts of an image may

SAMPLE_TABLE = (b"trak", b"mdia", b"minf", b"stbl")  # inside `moov`
SEQUENCE, FRAMES = 1, (3, 6, 7)  # kinds of units with a header
KEY_FRAME, SWITCH_FRAME = 0, 3
EACH_SAYS = 2  # in a sequence header: each frame header has a bit for it

Extents = list[tuple[int, int]]  # start and end of each piece of a stream, in the file


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box, up to the first that is cut off.

    Raises ValueError, as `decoded_pixels` does.
    """
    for _ in range(MAX_BOXES):
        size, kind, head = _number(data, start, 4), data[start + 4 : start + 8], 8
        if size == 1:
            size, head = _number(data, start + 8, 8), 16
        elif size == 0:  # up to the end
            size = end - start
        if size < head or start + size > end:
            return
        yield kind, start + head, start + size
        start += size
    raise ValueError(f"boxes: at most {MAX_BOXES}")


def decoded_pixels(data: bytes) -> int:
    """Pixels of the largest stream, or half of all: an image may have one for transparency.

    Raises ValueError, with the bound, if the file exceeds one.
    """
    found = list(boxes(data, 0, len(data)))
    items = [s for kind, *box in found if kind == b"meta" for s in _items(data, *box)]
    samples = [s for kind, *box in found if kind == b"moov" for s in _first_samples(data, *box)]
    return max(_pixels(data, items), _pixels(data, samples))  # a decoder takes the one or the other


def _pixels(data: bytes, streams: Sequence[Extents]) -> int:
    left, units, sizes = len(data) + MAX_SHARED_BYTES, MAX_UNITS, [0]
    for extents in streams:
        left -= sum(end - start for start, end in extents)
        if left < 0:
            raise ValueError("bytes of AV1: at most those of the file")
        sequence: _Sequence | None = None
        sizes.append(0)
        for kind, unit in _units(b"".join(data[start:end] for start, end in extents)):
            units -= 1
            if units < 0:
                raise ValueError(f"units of AV1: at most {MAX_UNITS}")
            if kind == SEQUENCE:
                sequence = _read_sequence(_Bits(unit))
            elif kind in FRAMES and sequence is not None:
                sizes[-1] += _pixels_of_frame(_Bits(unit), sequence)
    return max(*sizes, sum(sizes) // 2)


def _first_samples(data: bytes, start: int, end: int) -> Iterator[Extents]:
    """The first image of each track of an animation."""
    for table in _inside(data, start, end, SAMPLE_TABLE):
        found = {kind: at for kind, at, _ in boxes(data, *table)}
        wide = b"co64" in found
        offset = _number(data, found.get(b"co64" if wide else b"stco", end) + 8, 8 if wide else 4)
        sizes = found.get(b"stsz", end)
        size = _number(data, sizes + 4, 4) or _number(data, sizes + 12, 4)
        yield [(offset, max(offset, min(offset + size, len(data))))]


def _inside(data: bytes, start: int, end: int, path: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """The content of all boxes under this path."""
    if not path:
        yield start, end
        return
    for kind, at, until in boxes(data, start, end):
        if kind == path[0]:
            yield from _inside(data, at, until, path[1:])


def _items(data: bytes, start: int, end: int) -> Iterator[Extents]:
    """Where each item of kind av01 is, from `iloc`."""
    found = {kind: (at, until) for kind, at, until in boxes(data, start + 4, end)}
    if not {b"iinf", b"iloc"} <= set(found):
        return
    images = set(_images(data, *found[b"iinf"]))
    inside, left = found.get(b"idat", (end, end))[0], MAX_PIECES
    iloc = _Cursor(data, *found[b"iloc"])
    version, _, sizes, more = iloc.take(1), iloc.take(3), iloc.take(1), iloc.take(1)
    for _ in range(iloc.take(2 if version < 2 else 4)):
        item, method = iloc.take(2 if version < 2 else 4), iloc.take(2) if version else 0
        _, base, count = iloc.take(2), iloc.take(more >> 4), iloc.take(2)
        left -= count
        if left < 0:
            raise ValueError(f"pieces of items: at most {MAX_PIECES}")
        extents = []
        for _ in range(count):
            iloc.take(more & 15 if version else 0)
            at = base + iloc.take(sizes >> 4) + (inside if method & 15 else 0)
            size = iloc.take(sizes & 15)
            extents.append((at, max(at, min(at + size, len(data)) if size else len(data))))
        if iloc.at > iloc.end:
            return
        if item in images:
            yield extents


def _images(data: bytes, start: int, end: int) -> Iterator[int]:
    """Numbers of the items of kind av01, from `iinf`."""
    for _, at, _ in boxes(data, start + (8 if _number(data, start, 1) else 6), end):
        entry = _Cursor(data, at, end)
        version, _ = entry.take(1), entry.take(3)
        number = entry.take(2 if version < 3 else 4)
        entry.take(2)
        if entry.take(4) == int.from_bytes(b"av01", "big"):
            yield number


@dataclass
class _Cursor:
    """Reads numbers one after the other, zeros beyond the end of the data."""

    data: bytes
    at: int
    end: int

    def take(self, size: int) -> int:
        """An unsigned number of `size` bytes."""
        self.at += size
        return _number(self.data, self.at - size, size)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _units(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and beginning of each unit (OBU) of a stream."""
    at = 0
    while at < len(stream):
        head = stream[at]
        at += 2 if head & 4 else 1
        size = len(stream) - at
        if head & 2:
            size, at = _leb128(stream, at)
        yield head >> 3 & 15, stream[at : min(at + size, at + 512)]
        at += size


def _leb128(stream: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for k, byte in enumerate(stream[at : at + 8]):
        value |= (byte & 127) << 7 * k
        if byte < 128:
            return value, at + k + 1
    return len(stream), at


class _Bits:
    """Reads bits one after the other, zeros beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        value = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return value & ((1 << count) - 1)


@dataclass(frozen=True)
class _Sequence:
    """What a sequence header says of its frames."""

    pixels: int  # of a frame that does not state its size
    most: int  # of one that does
    may_state: bool
    is_certain: bool  # that the other fields tell where a frame says whether it states its size
    screen_tools: int = 0
    integer_vectors: int = EACH_SAYS


def _read_sequence(bits: _Bits) -> _Sequence:
    bits.take(4)
    still = bits.take(1)  # "reduced still picture header"
    timed = False
    if still:
        bits.take(5)
    else:
        timed = _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    pixels = (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)
    most = 2 ** (width_bits + height_bits)
    if still or timed or bits.take(1):  # with frame numbers
        return _Sequence(pixels, most, not still, False)
    bits.take(7)
    if bits.take(1):  # order hints
        bits.take(2)
    tools = EACH_SAYS if bits.take(1) else bits.take(1)
    vectors = EACH_SAYS if not tools or bits.take(1) else bits.take(1)
    return _Sequence(pixels, most, True, True, tools, vectors)


def _skip_operating_points(bits: _Bits) -> bool:
    """Skip up to the size; whether frames have times of presentation, at the most."""
    length = 0  # of a delay, bits, in a decoder model
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):
            _skip_uvlc(bits)
        if bits.take(1):
            length = bits.take(5) + 1
            bits.take(42)
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if length and bits.take(1):
            bits.take(2 * length + 1)
        if delays and bits.take(1):
            bits.take(4)
    return length > 0


def _skip_uvlc(bits: _Bits) -> None:
    zeros = 0
    while zeros < 32 and not bits.take(1):
        zeros += 1
    bits.take(zeros if zeros < 32 else 0)


def _pixels_of_frame(bits: _Bits, sequence: _Sequence) -> int:
    """Pixels of a frame, at the most, from its header."""
    if not sequence.may_state:
        return sequence.pixels
    if not sequence.is_certain:
        return sequence.most
    if bits.take(1):  # shows a frame that is decoded
        return 0
    kind, is_shown = bits.take(2), bits.take(1)
    bits.take(1 - is_shown)
    if not (kind == SWITCH_FRAME or (kind == KEY_FRAME and is_shown)):
        bits.take(1)  # resilience
    bits.take(1)
    tools = bits.take(1) if sequence.screen_tools == EACH_SAYS else sequence.screen_tools
    if tools and sequence.integer_vectors == EACH_SAYS:
        bits.take(1)
    states_size = kind == SWITCH_FRAME or bits.take(1)
    return sequence.most if states_size else sequence.pixels
