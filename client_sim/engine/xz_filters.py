"""Which filters an xz stream passes through: a phone's decoder knows fewer than the library here.

AOSP builds xz-embedded with LZMA2 and the branch filters of x86, ARM and ARM-Thumb, and its
delta_generator writes no others. The stream's index, at its end, says where each block starts; a
block's header names its filters.
"""

from collections.abc import Iterator
from typing import Final

from client_sim.engine.errors import PackageError

_FOOTER_BYTES: Final = 12
_HEADER_BYTES: Final = 12
_LZMA2: Final = 0x21
_BRANCHES: Final = frozenset({0x04, 0x07, 0x08})  # x86, ARM, ARM-Thumb
# Bits of a block header's flags.
_COUNT: Final = 0x03
_SIZES: Final = (0x40, 0x80)
_MAX_BITS: Final = 63


def check_filters(data: bytes | bytearray) -> None:
    """Check the filters of each block of one xz stream; raises PackageError.

    A malformed stream is left to the decoder; of one that it takes no block is missed.
    """
    try:
        known = all(_is_known(data, start) for start in _iter_blocks(data))
    except (IndexError, ValueError):
        return
    if not known:
        raise PackageError("An xz stream uses a filter that phones do not know.")


def _iter_blocks(data: bytes | bytearray) -> Iterator[int]:
    """Yield where the blocks start; raises IndexError or ValueError if the index is malformed."""
    footer = len(data) - _FOOTER_BYTES
    index = footer - 4 * (int.from_bytes(data[footer + 4 : footer + 8], "little") + 1)
    if index < _HEADER_BYTES:
        raise ValueError
    count, at = _read_integer(data, index + 1)
    start = _HEADER_BYTES
    for _ in range(count):
        unpadded, at = _read_integer(data, at)
        _, at = _read_integer(data, at)
        yield start
        start += unpadded + -unpadded % 4


def _is_known(data: bytes | bytearray, start: int) -> bool:
    flags, at = data[start + 1], start + 2
    for has_size in _SIZES:
        if flags & has_size:
            _, at = _read_integer(data, at)
    filters = []
    for _ in range((flags & _COUNT) + 1):
        number, at = _read_integer(data, at)
        size, at = _read_integer(data, at)
        at += size
        filters.append((number, size))
    *before, (last, _) = filters
    # A branch filter with properties starts to count elsewhere, which a phone's does not.
    are_branches = all(number in _BRANCHES and size == 0 for number, size in before)
    return last == _LZMA2 and len(before) <= 1 and are_branches


def _read_integer(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return an integer of variable length and where it ends."""
    value = 0
    for shift in range(0, _MAX_BITS, 7):
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
    raise ValueError
