"""Checks every segment of a JPEG, so that it contains nothing but an image.

The image data is not decoded here; the signer decodes each picture.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 annex B; JFIF 1.02.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.core.errors import FormatError

Table = tuple[int, int]
"""Class (0: DC, 1: AC) and destination of a Huffman table."""

_DC_CATEGORIES = range(12)
_MAX_AC_BITS = 10


def quantization_tables(body: bytes) -> Iterator[int]:
    """Yield the destinations of a DQT segment's tables; raises FormatError for malformed tables."""
    if len(body) % 65 or not body:
        raise FormatError("a picture's quantization tables are malformed.")
    for at in range(0, len(body), 65):
        if body[at] > 3 or not all(body[at + 1 : at + 65]):
            raise FormatError("a picture's quantization tables are malformed.")
        yield body[at]


def huffman_tables(body: bytes) -> Iterator[Table]:
    """Yield class and destination of a DHT segment's tables; raises FormatError if malformed."""
    at = 0
    while at < len(body) or not at:
        head, lengths = body[at : at + 1], body[at + 1 : at + 17]
        values = body[at + 17 : at + 17 + sum(lengths)]
        if len(lengths) < 16 or len(values) != sum(lengths):
            raise FormatError("a picture's Huffman tables are malformed.")
        table = (head[0] >> 4, head[0] & 15)
        if table[0] > 1 or table[1] > 3:
            raise FormatError("a picture's Huffman tables are malformed.")
        _check_lengths(lengths)
        _check_values(values, is_ac=table[0] == 1)
        yield table
        at += 17 + len(values)


def _check_lengths(lengths: bytes) -> None:
    """Raise FormatError unless the codes fit their lengths, without the code of all ones."""
    code = 0
    for bits, count in enumerate(lengths, 1):
        code = (code << 1) + count
        if code >= 1 << bits:
            raise FormatError("a picture's Huffman tables have too many codes.")


def _check_values(values: bytes, *, is_ac: bool) -> None:
    if len(values) != len(set(values)):
        raise FormatError("a picture's Huffman tables have a value twice.")
    for value in values:
        if (value & 15 > _MAX_AC_BITS) if is_ac else (value not in _DC_CATEGORIES):
            raise FormatError("a picture's Huffman tables have a value without meaning.")


MIN_SIDE, MAX_SIDE = 64, 4096


@dataclass(frozen=True, slots=True)
class Frame:
    """Width and height in samples, sampling factors by component, and quantization tables."""

    is_progressive: bool
    width: int
    height: int
    sampling: Mapping[int, tuple[int, int]]
    quantized_by: frozenset[int]

    def units_of(self, components: tuple[int, ...]) -> int:
        """Return the number of minimum coded units in a scan of those components."""
        columns = max(across for across, _ in self.sampling.values())
        rows = max(down for _, down in self.sampling.values())
        if len(components) > 1:
            return _ceil(self.width, 8 * columns) * _ceil(self.height, 8 * rows)
        across, down = self.sampling[components[0]]
        wide, high = _ceil(self.width * across, columns), _ceil(self.height * down, rows)
        return _ceil(wide, 8) * _ceil(high, 8)


@dataclass(frozen=True, slots=True)
class Scan:
    """The components that a scan codes, and its Huffman tables."""

    components: tuple[int, ...]
    tables: frozenset[Table]


def decode_frame(body: bytes, *, is_progressive: bool) -> Frame:
    """Read the body of SOF0 or SOF2; raises FormatError for a malformed one or a forbidden size."""
    components = body[5] if len(body) > 5 else 0
    if components not in {1, 3} or len(body) != 6 + 3 * components or body[0] != 8:
        raise FormatError("a picture does not have 8 bits in 1 or 3 components.")
    sampling = {}
    for expected, (number, factors, table) in enumerate(
        zip(body[6::3], body[7::3], body[8::3], strict=True), 1
    ):
        across, down = factors >> 4, factors & 15
        if number != expected or not (1 <= across <= 4 and 1 <= down <= 4 and table <= 3):
            raise FormatError("a picture's frame is malformed.")
        sampling[number] = (across, down)
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise FormatError(
            f"a picture is {width}x{height}, and both must be {MIN_SIDE} to {MAX_SIDE}."
        )
    return Frame(is_progressive, width, height, sampling, frozenset(body[8::3]))


def decode_scan(body: bytes, frame: Frame) -> Scan:
    """Read the body of SOS; raises FormatError if it is malformed or does not fit the frame."""
    count = body[0] if body else 0
    if not 1 <= count <= len(frame.sampling) or len(body) != 4 + 2 * count:
        raise FormatError("a picture's scan is malformed.")
    components, selectors = tuple(body[1:-3:2]), body[2:-3:2]
    if list(components) != sorted({*components} & frame.sampling.keys()):
        raise FormatError("a picture's scan has components that the frame does not have.")
    blocks = sum(frame.sampling[each][0] * frame.sampling[each][1] for each in components)
    if count > 1 and blocks > 10:
        raise FormatError("a picture's scan has units of more than ten blocks.")
    start, end, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
    if not frame.is_progressive:
        is_known = (start, end, high, low) == (0, 63, 0, 0)
    elif start == 0:
        is_known = end == 0
    else:
        is_known = start <= end <= 63 and count == 1
    if not is_known or low > 13 or high not in {0, low + 1}:
        raise FormatError("a picture's scan has an invalid spectral selection or approximation.")
    tables: set[Table] = set()
    for selector in selectors:
        chosen = {(0, selector >> 4)} if start == 0 and high == 0 else set()
        chosen |= {(1, selector & 15)} if end > 0 else set()
        if selector != sum(number << 4 * (1 - kind) for kind, number in chosen):
            raise FormatError("a picture's scan names a Huffman table that it does not use.")
        tables |= chosen
    if any(number > (3 if frame.is_progressive else 1) for _, number in tables):
        raise FormatError("a picture's scan names a Huffman table with an invalid number.")
    return Scan(components, frozenset(tables))


def _ceil(number: int, by: int) -> int:
    return (number + by - 1) // by


PICTURE_LIMIT = 8 * 1024 * 1024
MAX_SCANS = 64

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _APP0 = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xE0
_SOF0, _SOF2 = 0xC0, 0xC2
_JFIF = re.compile(rb"JFIF\x00\x01[\x01\x02]\x00\x00\x01\x00\x01\x00\x00")
_MARKER = re.compile(rb"\xff[^\0]")
_RESTARTS = tuple(bytes((0xFF, 0xD0 + number)) for number in range(8))


def check_picture(data: bytes, width: int, height: int) -> None:
    """Raise FormatError unless `data` is a picture of `width` by `height` that phones may hold."""
    if len(data) > PICTURE_LIMIT:
        raise FormatError(f"a picture of {len(data)} bytes is over {PICTURE_LIMIT}.")
    if (found := picture_size(data)) != (width, height):
        raise FormatError(f"a picture is {found[0]}x{found[1]}, not {width}x{height}.")


def picture_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG, after checking every segment.

    Raises FormatError for everything that section 15 does not allow, and for bytes after the end.
    """
    walk = _Walk()
    for number, (marker, body, coded) in enumerate(_segments(data)):
        if marker == _APP0:
            if number or _JFIF.fullmatch(body) is None:
                raise FormatError("a picture's APP0 is not a plain JFIF header at the start.")
        elif marker == _SOS:
            walk.take_scan(body, coded)
        else:
            walk.take(marker, body)
    return walk.finish()


class _Walk:
    """The state of the check of a picture."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._quantization: list[int] = []
        self._huffman: dict[Table, bool] = {}  # whether a scan has used it
        self._restarts: list[int] = []  # intervals since the last scan
        self._interval = 0
        self._scans: list[Scan] = []

    def take(self, marker: int, body: bytes) -> None:
        """Check a segment that is not a scan."""
        if marker in {_SOF0, _SOF2}:
            if self._frame is not None:
                raise FormatError("a picture has more than one frame.")
            self._frame = decode_frame(body, is_progressive=marker == _SOF2)
        elif marker == _DQT and not self._scans:
            self._quantization += quantization_tables(body)
        elif marker == _DHT:
            for table in huffman_tables(body):
                if self._huffman.get(table) is False:
                    raise FormatError("a picture has a Huffman table that no scan uses.")
                self._huffman[table] = False
        elif marker == _DRI:
            if len(body) != 2 or self._restarts:
                raise FormatError("a picture's restart interval is malformed.")
            self._restarts.append(int.from_bytes(body, "big"))
        else:
            raise FormatError(f"a picture has a segment FF{marker:02X}, which is not allowed.")

    def take_scan(self, body: bytes, coded: bytes) -> None:
        """Check a scan and its coded data."""
        if self._frame is None or len(self._scans) == MAX_SCANS:
            raise FormatError(
                f"a picture has a scan without a frame, or more than {MAX_SCANS} scans."
            )
        if sorted(self._quantization) != sorted(self._frame.quantized_by):
            raise FormatError(
                "a picture does not have each quantization table that it names exactly once."
            )
        scan = decode_scan(body, self._frame)
        if not scan.tables <= self._huffman.keys():
            raise FormatError("a picture's scan names a Huffman table that is not there.")
        self._huffman |= dict.fromkeys(scan.tables, True)
        if self._restarts:
            self._interval = self._restarts.pop()
        units = self._frame.units_of(scan.components)
        _check_restarts(coded, (units - 1) // self._interval if self._interval else 0)
        self._scans.append(scan)

    def finish(self) -> tuple[int, int]:
        """Check that the picture is complete, and return its width and height."""
        if self._frame is None or not self._scans:
            raise FormatError("a picture has no scan.")
        if self._restarts or not all(self._huffman.values()):
            raise FormatError("a picture has a table or an interval that no scan uses.")
        coded = [each for scan in self._scans for each in scan.components]
        if not self._frame.is_progressive and coded != list(self._frame.sampling):
            raise FormatError("a picture does not code each component once, in order.")
        return self._frame.width, self._frame.height


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield marker, content and coded data of each segment between SOI and EOI."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise FormatError("a picture does not begin with a JPEG marker.")
    at = 2
    while data[at : at + 2] != bytes((0xFF, _EOI)):
        marker = data[at + 1] if at + 1 < len(data) else _SOI
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        begin, at = at, at + 2 + length
        body = data[begin + 4 : at]
        if data[begin : begin + 1] != b"\xff" or marker == _SOI or len(body) != length - 2:
            raise FormatError("a picture's segments do not follow each other.")
        end = _end_of_scan(data, at) if marker == _SOS else at
        yield marker, body, data[at:end]
        at = end
    if at + 2 != len(data):
        raise FormatError("a picture has bytes after its end.")


def _end_of_scan(data: bytes, at: int) -> int:
    """Return the position of the marker after the scan's data."""
    for found in _MARKER.finditer(data, at):
        if found[0] not in _RESTARTS:
            return found.start()
    raise FormatError("a picture ends within its scan.")


def _check_restarts(coded: bytes, expected: int) -> None:
    """Raise FormatError unless there are `expected` restarts, in order, with data between them."""
    found = list(_MARKER.finditer(coded))
    if [each[0] for each in found] != [_RESTARTS[n % 8] for n in range(expected)]:
        raise FormatError("a picture's scan does not have the restarts that its interval requires.")
    ends = [0, *(each.end() for each in found)]
    begins = [*(each.start() for each in found), len(coded)]
    if any(end == begin for end, begin in zip(ends, begins, strict=True)):
        raise FormatError("a picture's scan has a restart interval without data.")
