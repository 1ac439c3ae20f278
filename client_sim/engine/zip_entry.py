"""The local header in front of a stored zip entry, found from where its data starts.

A streaming phone knows an entry by `name:offset:size` alone. Looking at what lies just before the
offset proves that the range is that whole entry, stored and not compressed, without reading the
zip's directory.
"""

from typing import Final

from client_sim.engine.errors import PackageError
from client_sim.engine.readable import Readable

_SIGNATURE: Final = b"PK\x03\x04"
_FIXED_SIZE: Final = 30
# Aligned entries have extra fields of up to one 4 KiB page.
_MAX_EXTRA: Final = 8192
_ENCRYPTED: Final = 0x0001
_SIZES_FOLLOW: Final = 0x0008
_IN_ZIP64: Final = 0xFFFFFFFF


def check_stored_entry(file: Readable, name: str, offset: int, size: int) -> None:
    """Check that `size` bytes at `offset` of a zip are the stored entry whose path is `name`.

    Raises PackageError if no local header that says so ends at `offset`.
    """
    encoded = name.encode()
    start = max(0, offset - _FIXED_SIZE - len(encoded) - _MAX_EXTRA)
    file.seek(start)
    before = file.read(offset - start)
    for extra in range(len(before) - _FIXED_SIZE - len(encoded) + 1):
        header = before[len(before) - extra - len(encoded) - _FIXED_SIZE :]
        if header.startswith(_SIGNATURE) and _is_header(header, encoded, extra, size):
            return
    raise PackageError(f"The package does not hold {name} where it says, or not uncompressed.")


def _is_header(header: bytes, name: bytes, extra: int, size: int) -> bool:
    """Tell whether `header` is a local header with `extra` bytes after its name, for `size`."""
    flags = _integer(header, 6, 2)
    compressed, uncompressed = _integer(header, 18, 4), _integer(header, 22, 4)
    if compressed == uncompressed == _IN_ZIP64:
        uncompressed, compressed = _find_zip64_sizes(header[_FIXED_SIZE + len(name) :])
    return (
        flags & (_ENCRYPTED | _SIZES_FOLLOW) == 0
        and _integer(header, 8, 2) == 0
        and compressed == uncompressed == size
        and _integer(header, 26, 2) == len(name)
        and _integer(header, 28, 2) == extra
        and header[_FIXED_SIZE : _FIXED_SIZE + len(name)] == name
    )


def _find_zip64_sizes(extra: bytes) -> tuple[int, int]:
    """Return the uncompressed and compressed size in a zip64 field, (-1, -1) without one."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = _integer(extra, position, 2), _integer(extra, position + 2, 2)
        if kind == 1 and length >= 16 and position + 20 <= len(extra):
            return _integer(extra, position + 4, 8), _integer(extra, position + 12, 8)
        position += 4 + length
    return -1, -1


def _integer(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")
