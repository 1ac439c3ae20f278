"""Bounded decompression: output is counted as it is produced, so a zip bomb stops at the limit."""

import bz2
import enum
import lzma
from collections.abc import Iterable, Iterator
from typing import Final

import brotli

from client_sim.engine.errors import PackageError

# Maximum output bytes of one call of a decompressor.
_STEP: Final = 1024 * 1024
# Memory limit of the xz decoder: `xz -9` needs 65 MiB, and a phone's decoder accepts a dictionary
# of at most 64 MiB.
_XZ_MEMORY: Final = 80 * 1024 * 1024


class Compression(enum.Enum):
    """The compression of a stream."""

    NONE = "uncompressed"
    BZ2 = "bzip2"
    XZ = "xz"
    BROTLI = "brotli"


def iter_decompressed(
    compression: Compression, chunks: Iterable[bytes | bytearray], limit: int
) -> Iterator[bytes | bytearray]:
    """Yield the decompressed `chunks`, in pieces of about a megabyte.

    Raises PackageError as soon as there are more than `limit` bytes, if the stream is damaged or
    truncated, if data follows it, or if xz data uses an integrity check other than none or CRC32.
    """
    produced = 0
    for piece in _PIECES[compression](chunks):
        produced += len(piece)
        if produced > limit:
            raise PackageError(f"{_NAMES[compression]} holds more than the {limit} bytes expected.")
        yield piece


def decompress(compression: Compression, data: bytes | bytearray, limit: int) -> bytes:
    """Return the decompressed `data`, at most `limit` bytes; raises like `iter_decompressed`."""
    return b"".join(iter_decompressed(compression, [data], limit))


def _copy(chunks: Iterable[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    yield from chunks


def _bunzip(chunks: Iterable[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    decoder = bz2.BZ2Decompressor()
    try:
        for chunk in chunks:
            yield decoder.decompress(chunk, _STEP)
            while not decoder.needs_input and not decoder.eof:
                yield decoder.decompress(b"", _STEP)
            if decoder.unused_data:
                raise PackageError("Something follows a bzip2 stream.")
    except (OSError, ValueError, EOFError):
        # EOFError: a chunk after the end of the stream, which is trailing data as well.
        raise PackageError("A bzip2 stream is damaged.") from None
    if not decoder.eof:
        raise PackageError("A bzip2 stream is cut short.")


def _unxz(chunks: Iterable[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    try:
        for chunk in chunks:
            yield decoder.decompress(chunk, _STEP)
            while not decoder.needs_input and not decoder.eof:
                yield decoder.decompress(b"", _STEP)
            if decoder.check not in {lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_UNKNOWN}:
                raise PackageError("An xz stream uses an integrity check that phones do not know.")
            if decoder.unused_data:
                raise PackageError("Something follows an xz stream.")
    except (lzma.LZMAError, EOFError):
        raise PackageError("An xz stream is damaged.") from None
    if not decoder.eof:
        raise PackageError("An xz stream is cut short.")


def _unbrotli(chunks: Iterable[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    decoder = brotli.Decompressor()
    try:
        for chunk in chunks:
            yield decoder.process(chunk, output_buffer_limit=_STEP)
            # `can_accept_more_data` is only about input; output may remain when it is true.
            while not decoder.is_finished():
                piece = decoder.process(b"", output_buffer_limit=_STEP)
                if not piece:
                    break
                yield piece
    except brotli.error:
        raise PackageError("A brotli stream is damaged, or something follows it.") from None
    if not decoder.is_finished():
        raise PackageError("A brotli stream is cut short.")


_NAMES: Final = {
    Compression.NONE: "Uncompressed data",
    Compression.BZ2: "A bzip2 stream",
    Compression.XZ: "An xz stream",
    Compression.BROTLI: "A brotli stream",
}
_PIECES: Final = {
    Compression.NONE: _copy,
    Compression.BZ2: _bunzip,
    Compression.XZ: _unxz,
    Compression.BROTLI: _unbrotli,
}


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

    A malformed stream passes, because the decoder refuses it. In a stream that the decoder accepts,
    every block was checked.
    """
    try:
        known = all(_is_known(data, start) for start in _iter_blocks(data))
    except (IndexError, ValueError):
        return
    if not known:
        raise PackageError("An xz stream uses a filter that phones do not know.")


def _iter_blocks(data: bytes | bytearray) -> Iterator[int]:
    """Yield the offsets of the blocks; raises IndexError or ValueError for a malformed index."""
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
    # A branch filter with properties has a start offset, which a phone's decoder does not support.
    are_branches = all(number in _BRANCHES and size == 0 for number, size in before)
    return last == _LZMA2 and len(before) <= 1 and are_branches


def _read_integer(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return the integer of variable length at `at`, and the offset of its end."""
    value = 0
    for shift in range(0, _MAX_BITS, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError
