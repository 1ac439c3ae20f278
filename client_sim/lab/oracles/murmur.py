"""MurmurHash3, 128 bits for 64-bit machines, seed 0: what analytics kits hash identifiers with."""

from struct import Struct
from typing import Final

_BLOCK: Final = Struct("<QQ")
_MASK: Final = (1 << 64) - 1
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F


def murmur3(data: bytes) -> bytes:
    """Return the digest, both halves little-endian as they lie in memory."""
    one = two = 0
    whole = len(data) // 16 * 16
    for low, high in _BLOCK.iter_unpack(data[:whole]):
        one ^= _mix(low, _C1, 31, _C2)
        one = (_turn(one, 27) + two) * 5 + 0x52DCE729 & _MASK
        two ^= _mix(high, _C2, 33, _C1)
        two = (_turn(two, 31) + one) * 5 + 0x38495AB5 & _MASK
    low, high = _BLOCK.unpack(data[whole:].ljust(16, b"\0"))
    two ^= _mix(high, _C2, 33, _C1)
    one ^= _mix(low, _C1, 31, _C2)
    one, two = one ^ len(data), two ^ len(data)
    one = one + two & _MASK
    two = two + one & _MASK
    one, two = _finish(one), _finish(two)
    one = one + two & _MASK
    two = two + one & _MASK
    return one.to_bytes(8, "little") + two.to_bytes(8, "little")


def _turn(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _mix(value: int, first: int, bits: int, second: int) -> int:
    return _turn(value * first & _MASK, bits) * second & _MASK


def _finish(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
