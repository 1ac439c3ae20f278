"""Follows the bytes of zip entries of any length and compares what they unpack to."""

import zlib
from collections.abc import Hashable, Mapping

from signer.ota.container import STORED, Container, Entry
from signer.ota.errors import ContainerError
from signer.ota.hashing import Run, Track

_PIECE = 1 << 20
_WEIGHT = 0.4  # of a byte of a stored entry; what is deflated is little in most packages


class UnpackedCrc:
    """Size and checksum of an entry's unpacked bytes behind the interface of a hash.

    `digest` is 8 bytes of size and 4 of CRC-32, big-endian; empty when the entry cannot be
    unpacked, does not end where its packed bytes end, or goes on beyond its announced size.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._inflate = None if entry.method == STORED else zlib.decompressobj(-zlib.MAX_WBITS)
        self._size, self._crc, self._is_bad = 0, 0, False

    def update(self, data: memoryview, /) -> None:
        """Take the next packed bytes."""
        if self._inflate is None:
            self._take(data)
            return
        rest: bytes | memoryview = data
        try:
            while not self._is_bad:
                if self._inflate.eof:
                    self._is_bad = len(rest) > 0
                    break
                piece = self._inflate.decompress(rest, _PIECE)
                self._take(piece)
                # What comes out may wait inside although all that went in is consumed.
                rest = self._inflate.unconsumed_tail or self._inflate.unused_data
                if not rest and len(piece) < _PIECE:
                    break
        except zlib.error:
            self._is_bad = True

    def digest(self) -> bytes:
        """Return size and checksum, or nothing."""
        is_open = self._inflate is not None and not self._inflate.eof
        return b"" if self._is_bad or is_open else encode_unpacked(self._size, self._crc)

    def _take(self, data: bytes | memoryview) -> None:
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._is_bad = self._is_bad or self._size > self._entry.size


def unpacked_entries(container: Container) -> Track:
    """Return the track that follows every entry; its keys are the entries."""
    entries = sorted(container.entries.values(), key=lambda each: each.offset)
    runs = [Run(each.offset, each.offset + each.packed_size, each) for each in entries]
    return Track(runs, _follow, _WEIGHT)


def check_entries(container: Container, digests: Mapping[Hashable, bytes]) -> None:
    """Raise ContainerError unless every entry unpacks to what the zip announces."""
    for entry in container.entries.values():
        if digests.get(entry) != encode_unpacked(entry.size, entry.crc):
            raise ContainerError(
                f"The bytes of {entry.shown} do not match the zip's size and checksum."
            )


def _follow(key: Hashable) -> UnpackedCrc:
    if not isinstance(key, Entry):
        raise TypeError("the runs of this track have entries as keys")
    return UnpackedCrc(key)


def encode_unpacked(size: int, crc: int) -> bytes:
    """Return what `UnpackedCrc.digest` gives for bytes of that size and CRC-32."""
    return size.to_bytes(8) + crc.to_bytes(4)
