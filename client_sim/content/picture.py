"""Checks every byte of a JPEG, which may contain nothing but a plain picture.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 annex B.
"""

from dataclasses import dataclass, field
from typing import Final

from client_sim.device.errors import ContentError

Codes = tuple[bool, int]
"""A Huffman table: whether it is for AC coefficients, and its id."""

_ELEMENTS: Final = 64
_LENGTHS: Final = 16
_TABLES: Final = 4
_DC_LIMIT: Final = 11
_AC_SIZE_LIMIT: Final = 10
"""Maximum bits of an AC coefficient, for 8-bit samples; _DC_LIMIT is that of a DC difference."""


def read_quantization(body: bytes) -> list[int]:
    """Return the ids of a segment's quantization tables; raises ContentError."""
    size = 1 + _ELEMENTS
    if not body or len(body) % size:
        raise ContentError("The picture has a quantization table of the wrong length.")
    tables = [body[at : at + size] for at in range(0, len(body), size)]
    # A first byte of 4 or more is an invalid id, or a table of 16-bit values.
    if any(table[0] >= _TABLES or 0 in table[1:] for table in tables):
        raise ContentError("The picture has an invalid quantization table.")
    return [table[0] for table in tables]


def read_codes(body: bytes) -> list[Codes]:
    """Return the Huffman tables that a segment defines; raises ContentError."""
    found = []
    rest = body
    while rest:
        if len(rest) <= _LENGTHS or rest[0] & 0xEC:
            raise ContentError("The picture has an invalid Huffman table.")
        is_ac, number = rest[0] >= 0x10, rest[0] & 3
        counts = rest[1 : 1 + _LENGTHS]
        end = 1 + _LENGTHS + sum(counts)
        symbols = rest[1 + _LENGTHS : end]
        if len(rest) < end or not _is_code(counts) or not _are_symbols(symbols, is_ac=is_ac):
            raise ContentError("The picture has an invalid Huffman table.")
        found.append((is_ac, number))
        rest = rest[end:]
    if not found:
        raise ContentError("The picture has a segment without a Huffman table.")
    return found


def _is_code(counts: bytes) -> bool:
    """Tell whether these numbers of codes of 1, 2, … 16 bits allow a prefix code.

    No code may consist of ones only.
    """
    free = 1
    for count in counts:
        free = 2 * free - count
        if free < 1:
            return False
    return True


def _are_symbols(symbols: bytes, *, is_ac: bool) -> bool:
    if len(set(symbols)) != len(symbols):
        return False
    return all(
        symbol & 0x0F <= _AC_SIZE_LIMIT if is_ac else symbol <= _DC_LIMIT for symbol in symbols
    )


BASELINE: Final = 0xC0
PROGRESSIVE: Final = 0xC2
_BLOCK: Final = 8
_LAST: Final = 63
_LOWEST_BIT: Final = 13
_BLOCKS_LIMIT: Final = 10
"""Maximum number of blocks of 8 by 8 samples in a unit, of all components."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component of a picture: its id, its sampling factors, and its quantization table."""

    number: int
    across: int
    down: int
    table: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size, its components, and whether it is progressive."""

    is_progressive: bool
    width: int
    height: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """The components of a scan, and the Huffman tables that it uses."""

    components: tuple[Component, ...]
    codes: frozenset[Codes]


def read_frame(marker: int, body: bytes) -> Frame:
    """Return the frame of a segment SOF0 or SOF2; raises ContentError."""
    count = body[5] if len(body) > 5 else 0
    if count not in {1, 3} or len(body) != 6 + 3 * count or body[0] != 8:
        raise ContentError("The picture does not have 8 bits and 1 or 3 components.")
    components = tuple(
        Component(body[at], body[at + 1] >> 4, body[at + 1] & 15, body[at + 2])
        for at in range(6, len(body), 3)
    )
    sides = {side for each in components for side in (each.across, each.down)}
    is_sound = (
        [each.number for each in components] == list(range(1, count + 1))
        and sides <= {1, 2, 3, 4}
        and all(each.table < 4 for each in components)
    )
    if not is_sound:
        raise ContentError("The picture has invalid components.")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Frame(marker == PROGRESSIVE, width, height, components)


def read_scan(frame: Frame, body: bytes) -> Scan:
    """Return the scan of a segment SOS; raises ContentError."""
    fault = ContentError("The picture has a scan that does not fit into its frame.")
    count = body[0] if body else 0
    if not 1 <= count <= len(frame.components) or len(body) != 4 + 2 * count:
        raise fault
    by_number = {each.number: each for each in frame.components}
    numbers, tables = list(body[1:-3:2]), body[2:-3:2]
    if numbers != sorted(set(numbers) & by_number.keys()):
        raise fault
    components = tuple(by_number[number] for number in numbers)
    if count > 1 and sum(each.across * each.down for each in components) > _BLOCKS_LIMIT:
        raise fault
    first, last, before, bit = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
    has_dc = first == 0 and before == 0
    has_ac = last > 0
    if frame.is_progressive:
        is_band = 1 <= first <= last <= _LAST and count == 1
        is_bit = bit <= _LOWEST_BIT and before in {0, bit + 1}
        is_sound = is_bit and (is_band or first == last == 0)
    else:
        is_sound = (first, last, before, bit) == (0, _LAST, 0, 0)
    highest = 3 if frame.is_progressive else 1
    codes = set()
    for table in tables:
        for is_ac, is_used, number in ((False, has_dc, table >> 4), (True, has_ac, table & 15)):
            if number > (highest if is_used else 0):
                raise fault
            if is_used:
                codes.add((is_ac, number))
    if not is_sound:
        raise fault
    return Scan(components, frozenset(codes))


def count_units(frame: Frame, scan: Scan) -> int:
    """Return the number of minimum coded units in a scan; restart markers may separate them."""
    across = max(each.across for each in frame.components)
    down = max(each.down for each in frame.components)
    if len(scan.components) > 1:
        return _divide(frame.width, _BLOCK * across) * _divide(frame.height, _BLOCK * down)
    (own,) = scan.components
    columns = _divide(_divide(frame.width * own.across, across), _BLOCK)
    return columns * _divide(_divide(frame.height * own.down, down), _BLOCK)


def skip_data(data: bytes, at: int, restarts: int) -> int:
    """Return the offset of the end of coded data, which has exactly `restarts` restart markers.

    They are numbered 0 to 7, cyclically. Raises ContentError.
    """
    found, begin = 0, at
    while True:
        at = data.find(b"\xff", at)
        following = data[at + 1 : at + 2]
        if at < 0 or not following:
            raise ContentError("The picture is cut short.")
        if following == bytes((0xD0 + found % 8,)) and found < restarts and at > begin:
            found, begin = found + 1, at + 2
        elif following != b"\0":
            break
        at += 2
    if found != restarts or at == begin:
        raise ContentError("The picture has restart markers in the wrong places.")
    return at


def _divide(number: int, by: int) -> int:
    """Return a quotient, rounded up."""
    return -(-number // by)


SHORTEST: Final = 64
LONGEST: Final = 4_096
"""The allowed range of a picture's width and height, in pixels."""

_START: Final = b"\xff\xd8"
_END: Final = b"\xff\xd9"
_APP0, _DQT, _DHT, _DRI, _SOS = 0xE0, 0xDB, 0xC4, 0xDD, 0xDA
# Version 1.1 or 1.2, no unit, a density of 1 by 1, and a thumbnail of 0 by 0.
_HEADERS: Final = tuple(b"JFIF\0\1" + minor + b"\0\0\1\0\1\0\0" for minor in (b"\1", b"\2"))
_FRAMES: Final = (BASELINE, PROGRESSIVE)
_SCANS_LIMIT: Final = 64


def check_picture(data: bytes, width: int, height: int) -> None:
    """Check that `data` is a plain JPEG of `width` times `height`; raises ContentError."""
    if not data.startswith(_START):
        raise ContentError("The picture is not a JPEG.")
    picture = _Picture(data, _skip_head(data))
    while data[picture.at : picture.at + 2] != _END:
        picture.read()
    frame = picture.frame
    if frame is None or not picture.scans or picture.unused or picture.interval_is_new:
        raise ContentError("The picture has no scan, or tables that no scan uses.")
    if (frame.width, frame.height) != (width, height):
        raise ContentError("The picture does not have the stated width and height.")
    if not all(SHORTEST <= side <= LONGEST for side in (width, height)):
        raise ContentError("The picture is too small or too large.")
    if not frame.is_progressive and picture.coded != [each.number for each in frame.components]:
        raise ContentError("The picture does not code each component once.")
    if picture.at + 2 != len(data):
        raise ContentError("The picture has data after its end.")


@dataclass(slots=True)
class _Picture:
    """The state of the parser at offset `at`; no scan has used the tables in `unused` yet."""

    data: bytes
    at: int
    frame: Frame | None = None
    quantization: set[int] = field(default_factory=set)
    codes: set[Codes] = field(default_factory=set)
    unused: set[Codes] = field(default_factory=set)
    interval: int = 0
    interval_is_new: bool = False
    scans: int = 0
    coded: list[int] = field(default_factory=list)

    def read(self) -> None:
        """Read one segment, and for a scan its coded data."""
        marker, body, self.at = _read_segment(self.data, self.at)
        if marker in _FRAMES and self.frame is None:
            self.frame = read_frame(marker, body)
        elif marker == _DQT and not self.scans:
            self._add_quantization(read_quantization(body))
        elif marker == _DHT:
            self._add_codes(read_codes(body))
        elif marker == _DRI and len(body) == 2 and not self.interval_is_new:
            self.interval, self.interval_is_new = int.from_bytes(body, "big"), True
        elif marker == _SOS and self.frame is not None and self.scans < _SCANS_LIMIT:
            self._read_scan(self.frame, body)
        else:
            raise ContentError("The picture has a segment that a plain picture does not have.")

    def _add_quantization(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in self.quantization:
                raise ContentError("The picture has a quantization table twice.")
            self.quantization.add(number)

    def _add_codes(self, tables: list[Codes]) -> None:
        for table in tables:
            if table in self.unused:
                raise ContentError("The picture has codes that no scan uses.")
            self.unused.add(table)
            self.codes.add(table)

    def _read_scan(self, frame: Frame, body: bytes) -> None:
        scan = read_scan(frame, body)
        if self.quantization != {each.table for each in frame.components}:
            raise ContentError("The picture lacks a quantization table, or has an unused one.")
        if not scan.codes <= self.codes:
            raise ContentError("The picture has a scan without its Huffman tables.")
        self.unused -= scan.codes
        self.coded += [each.number for each in scan.components]
        units = count_units(frame, scan)
        restarts = (units - 1) // self.interval if self.interval else 0
        self.at = skip_data(self.data, self.at, restarts)
        self.scans, self.interval_is_new = self.scans + 1, False


def _skip_head(data: bytes) -> int:
    """Return the offset of the first segment, after the JFIF header if there is one."""
    if data[2:4] != bytes((0xFF, _APP0)):
        return 2
    _, body, at = _read_segment(data, 2)
    if body not in _HEADERS:
        raise ContentError("The picture does not begin like plain JFIF.")
    return at


def _read_segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return a segment's marker and body, and the offset of its end."""
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    end = at + 2 + length
    if data[at : at + 1] != b"\xff" or length < 2 or end > len(data):
        raise ContentError("The picture is cut short, or not a JPEG.")
    return data[at + 1], data[at + 4 : end], end
