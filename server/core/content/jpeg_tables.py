"""What the tables of a picture may hold: all that a JPEG's coder takes, and nothing else.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 B.2.4.1 (quantization), B.2.4.2 (Huffman).
"""

from collections.abc import Iterator

from server.core.errors import FormatError

Table = tuple[int, int]
"""Class (0: DC, 1: AC) and destination of a Huffman table."""

_DC_CATEGORIES = range(12)
_MAX_AC_BITS = 10


def quantization_tables(body: bytes) -> Iterator[int]:
    """Yield the destinations that a DQT segment fills; FormatError where one is malformed."""
    if len(body) % 65 or not body:
        raise FormatError("a picture's quantization tables are malformed.")
    for at in range(0, len(body), 65):
        if body[at] > 3 or not all(body[at + 1 : at + 65]):
            raise FormatError("a picture's quantization tables are malformed.")
        yield body[at]


def huffman_tables(body: bytes) -> Iterator[Table]:
    """Yield class and destination of the tables of a DHT segment; FormatError as above."""
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
    """Raise FormatError unless there are so many codes, the one of ones alone left free."""
    code = 0
    for bits, count in enumerate(lengths, 1):
        code = (code << 1) + count
        if code >= 1 << bits:
            raise FormatError("a picture's Huffman tables have more codes than there are.")


def _check_values(values: bytes, *, is_ac: bool) -> None:
    if len(values) != len(set(values)):
        raise FormatError("a picture's Huffman tables have a value twice.")
    for value in values:
        if (value & 15 > _MAX_AC_BITS) if is_ac else (value not in _DC_CATEGORIES):
            raise FormatError("a picture's Huffman tables have a value that codes nothing.")
