"""The frame of a picture, and what its scans may say.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 A.2.3, A.2.4, B.2.2, B.2.3, G.1.1.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.core.content.jpeg_tables import Table
from server.core.errors import FormatError

MIN_SIDE, MAX_SIDE = 64, 4096


@dataclass(frozen=True, slots=True)
class Frame:
    """Width and height in samples; sampling factors and quantization table by component."""

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
    """The components that a scan codes, and the Huffman tables that it takes."""

    components: tuple[int, ...]
    tables: frozenset[Table]


def decode_frame(body: bytes, *, is_progressive: bool) -> Frame:
    """Read the body of SOF0 or SOF2; FormatError where it is malformed or of a size not allowed."""
    components = body[5] if len(body) > 5 else 0
    if components not in {1, 3} or len(body) != 6 + 3 * components or body[0] != 8:
        raise FormatError("a picture is not of 8 bits in 1 or 3 components.")
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
            f"a picture is {width}x{height}, and both have to be {MIN_SIDE} to {MAX_SIDE}."
        )
    return Frame(is_progressive, width, height, sampling, frozenset(body[8::3]))


def decode_scan(body: bytes, frame: Frame) -> Scan:
    """Read the body of SOS; FormatError where it is malformed or is none of the frame's."""
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
        raise FormatError("a picture's scan codes coefficients as none does.")
    tables: set[Table] = set()
    for selector in selectors:
        chosen = {(0, selector >> 4)} if start == 0 and high == 0 else set()
        chosen |= {(1, selector & 15)} if end > 0 else set()
        if selector != sum(number << 4 * (1 - kind) for kind, number in chosen):
            raise FormatError("a picture's scan names a Huffman table that it does not take.")
        tables |= chosen
    if any(number > (3 if frame.is_progressive else 1) for _, number in tables):
        raise FormatError("a picture's scan names a Huffman table that cannot be.")
    return Scan(components, frozenset(tables))


def _ceil(number: int, by: int) -> int:
    return (number + by - 1) // by
