"""Tables of a JPEG: octets that could say anything, were they not held to what tables are.

Source: docs/FORMATS.md section 15, Picture; ITU-T T.81 B.2.4.1, B.2.4.2 and annex C.
"""

from typing import Final

from client_sim.device.errors import ContentError

Codes = tuple[bool, int]
"""A table of Huffman codes: whether it is for AC coefficients, and its number."""

_ELEMENTS: Final = 64
_LENGTHS: Final = 16
_TABLES: Final = 4
_DC_LIMIT: Final = 11
_AC_SIZE_LIMIT: Final = 10
"""Bits of a coefficient's difference, and of a coefficient, where samples have 8."""


def read_quantization(body: bytes) -> list[int]:
    """Return the numbers of a segment's quantization tables; raises ContentError."""
    size = 1 + _ELEMENTS
    if not body or len(body) % size:
        raise ContentError("The picture has a quantization table of another length.")
    tables = [body[at : at + size] for at in range(0, len(body), size)]
    # A first octet of 4 and more is a number that there is not, or a table of 16 bits.
    if any(table[0] >= _TABLES or 0 in table[1:] for table in tables):
        raise ContentError("The picture has a quantization table that is none.")
    return [table[0] for table in tables]


def read_codes(body: bytes) -> list[Codes]:
    """Return which tables of codes a segment has; raises ContentError."""
    found = []
    rest = body
    while rest:
        if len(rest) <= _LENGTHS or rest[0] & 0xEC:
            raise ContentError("The picture has a table of codes that is none.")
        is_ac, number = rest[0] >= 0x10, rest[0] & 3
        counts = rest[1 : 1 + _LENGTHS]
        end = 1 + _LENGTHS + sum(counts)
        symbols = rest[1 + _LENGTHS : end]
        if len(rest) < end or not _is_code(counts) or not _are_symbols(symbols, is_ac=is_ac):
            raise ContentError("The picture has a table of codes that is none.")
        found.append((is_ac, number))
        rest = rest[end:]
    if not found:
        raise ContentError("The picture has a segment without a table of codes.")
    return found


def _is_code(counts: bytes) -> bool:
    """Answer whether so many codes of 1, 2, … 16 bits begin differently, none being all ones."""
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
