"""Binary patches in the two formats of payloads: BSDIFF40 and AOSP's BSDF2.

    0   magic: 8 bytes `BSDIFF40`, or 5 bytes `BSDF2` and the compressors of the three streams
        (0 none, 1 bzip2, 2 brotli; in BSDIFF40 all three are bzip2)
    8   length of the compressed control stream
    16  length of the compressed diff stream
    24  size of the new data
    32  control, diff, extra; extra runs to the end

Integers are 64-bit little-endian, sign and magnitude. The control stream consists of triples: the
number of bytes to add from diff to the old data, the number of bytes to copy from extra, and the
distance to seek in the old data afterwards.
"""

from typing import Final

from bsdiff4 import core

from client_sim.engine.decompression import Compression, decompress
from client_sim.engine.errors import PackageError

_HEADER_SIZE: Final = 32
_TRIPLE_SIZE: Final = 24
# Four million triples are far more than a patch of one operation has. The limit bounds the memory
# whatever the size of the result.
_MAX_CONTROL_BYTES: Final = _TRIPLE_SIZE * 4 * 1024 * 1024

_COMPRESSORS: Final = {0: Compression.NONE, 1: Compression.BZ2, 2: Compression.BROTLI}


def apply_patch(old: bytes, patch: bytes | bytearray, new_size: int) -> bytes:
    """Apply `patch` to `old` and return the new data, exactly `new_size` bytes.

    Raises PackageError if the patch is malformed, states another size, or reads outside `old`.
    """
    compressions, patch_size = _decode_magic(patch)
    control_length = _decode_integer(patch, 8)
    diff_length = _decode_integer(patch, 16)
    if _decode_integer(patch, 24) != new_size:
        raise PackageError("A binary patch promises another size than its operation.")
    if control_length < 0 or diff_length < 0 or control_length + diff_length > patch_size:
        raise PackageError("A binary patch is cut short.")
    diff_at = _HEADER_SIZE + control_length
    extra_at = diff_at + diff_length

    limit = min(_MAX_CONTROL_BYTES, _TRIPLE_SIZE * (new_size + 1))
    control = decompress(compressions[0], patch[_HEADER_SIZE:diff_at], limit)
    diff_size, extra_size = _check_control(control, len(old), new_size)
    diff = decompress(compressions[1], patch[diff_at:extra_at], diff_size)
    extra = decompress(compressions[2], patch[extra_at:], extra_size)
    if len(diff) != diff_size or len(extra) != extra_size:
        raise PackageError("A binary patch has less data than its control stream uses.")
    try:
        new = core.patch(old, new_size, control, diff, extra)
    except ValueError:
        raise PackageError("A binary patch is damaged.") from None
    assert isinstance(new, bytes)
    return new


def _decode_magic(
    patch: bytes | bytearray,
) -> tuple[tuple[Compression, Compression, Compression], int]:
    """Return the compressions of control, diff and extra, and the number of bytes after the header.

    Raises PackageError.
    """
    if len(patch) < _HEADER_SIZE:
        raise PackageError("A binary patch is cut short.")
    size = len(patch) - _HEADER_SIZE
    if patch[:8] == b"BSDIFF40":
        return (Compression.BZ2, Compression.BZ2, Compression.BZ2), size
    if patch[:5] != b"BSDF2":
        raise PackageError("A binary patch is neither BSDIFF40 nor BSDF2.")
    try:
        control, diff, extra = (_COMPRESSORS[kind] for kind in patch[5:8])
    except KeyError:
        raise PackageError("A binary patch uses an unknown compressor.") from None
    return (control, diff, extra), size


def _decode_integer(data: bytes | bytearray, offset: int) -> int:
    value = int.from_bytes(data[offset : offset + 8], "little")
    return value if value < 1 << 63 else -(value - (1 << 63))


def _check_control(control: bytes, old_size: int, new_size: int) -> tuple[int, int]:
    """Check every triple before C code sees it; return the sizes of diff and extra."""
    if len(control) % _TRIPLE_SIZE:
        raise PackageError("A binary patch has half a control triple.")
    old_position = diff_size = extra_size = 0
    for offset in range(0, len(control), _TRIPLE_SIZE):
        add = _decode_integer(control, offset)
        take = _decode_integer(control, offset + 8)
        move = _decode_integer(control, offset + 16)
        if add < 0 or take < 0:
            raise PackageError("A binary patch has a negative length.")
        if add and not 0 <= old_position <= old_size - add:
            raise PackageError("A binary patch reads outside its source.")
        diff_size += add
        extra_size += take
        if diff_size + extra_size > new_size:
            raise PackageError("A binary patch makes more than it promises.")
        old_position += add + move
        # Generators may leave the final position slightly outside the source. The limit prevents an
        # overflow of sums in C.
        if abs(old_position) > 1 << 48:
            raise PackageError("A binary patch reads outside its source.")
    if diff_size + extra_size != new_size:
        raise PackageError("A binary patch makes less than it promises.")
    return diff_size, extra_size
