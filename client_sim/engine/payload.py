"""Reads a CrAU v2 payload inside a larger file: its header, its manifest, its data.

0       magic `CrAU`
4       major version, 8 bytes big-endian: 2
12      manifest size m, 8 bytes
20      metadata signature size s, 4 bytes
24      manifest; METADATA_HASH and the metadata signature cover header and manifest
24+m    metadata signature
24+m+s  data; data offsets in the manifest count from here
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from client_sim.engine.errors import PackageError, UnsupportedError
from client_sim.engine.manifest import Manifest, Operation, decode_manifest
from client_sim.engine.manifest_checks import Note, Rules, check_manifest, note_nothing


class Readable(Protocol):
    """Bytes with random access, such as an open binary file."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset`, counted from the start (0) or the end (2); return the new position."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes from the position, fewer at the end; -1 means all."""
        ...


HEADER_SIZE: Final = 24
# The manifest of a whole phone has a few hundred kilobytes.
MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
# A message with a handful of RSA-4096 signatures is below 4 KiB.
MAX_SIGNATURES_BYTES: Final = 64 * 1024

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PayloadHeader:
    """The sizes in a payload's first 24 bytes, in bytes."""

    manifest_size: int
    metadata_signature_size: int

    @property
    def metadata_size(self) -> int:
        """The length of header and manifest: METADATA_SIZE in payload properties."""
        return HEADER_SIZE + self.manifest_size

    @property
    def blobs_offset(self) -> int:
        """The offset of the data from the start of the payload."""
        return self.metadata_size + self.metadata_signature_size


class PayloadFile:
    """The payload at `offset` of a seekable file, `size` bytes long.

    Reads outside the payload, and a file that is shorter than stated, raise PackageError. Nothing
    else is checked.
    """

    def __init__(self, file: Readable, offset: int, size: int) -> None:
        self.size = size
        self._file = file
        self._offset = offset

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`, counted from the start of the payload."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise PackageError("The payload is cut short.")
        self._file.seek(self._offset + offset)
        data = self._file.read(length)
        if len(data) != length:
            raise PackageError("The payload is cut short.")
        return data

    def iter_range(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `offset` in pieces of at most 1 MiB."""
        for position in range(offset, offset + length, _CHUNK):
            yield self.read(position, min(_CHUNK, offset + length - position))

    def hash_ranges(self, *ranges: tuple[int, int]) -> bytes:
        """Return the sha256 of the concatenated (offset, length) ranges."""
        digest = hashlib.sha256()
        for offset, length in ranges:
            for piece in self.iter_range(offset, length):
                digest.update(piece)
        return digest.digest()


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload whose manifest has passed `check_manifest`."""

    file: PayloadFile
    header: PayloadHeader
    manifest: Manifest

    def read_blob(self, operation: Operation) -> bytes:
        """Return the data of an operation."""
        return self.file.read(
            self.header.blobs_offset + operation.data_offset, operation.data_length
        )


def decode_header(file: PayloadFile) -> PayloadHeader:
    """Decode the first 24 bytes; raises PackageError unless the sizes fit the payload."""
    if file.size < HEADER_SIZE:
        raise PackageError("The payload is cut short.")
    data = file.read(0, HEADER_SIZE)
    if data[:4] != b"CrAU":
        raise PackageError("The payload does not start with CrAU, so it is not an update payload.")
    version = int.from_bytes(data[4:12], "big")
    if version != 2:
        raise UnsupportedError(f"The payload has major version {version}, not 2.")
    header = PayloadHeader(int.from_bytes(data[12:20], "big"), int.from_bytes(data[20:24], "big"))
    if not 0 < header.manifest_size <= MAX_MANIFEST_BYTES:
        raise PackageError(f"The payload has a manifest of {header.manifest_size} bytes.")
    if header.metadata_signature_size > MAX_SIGNATURES_BYTES:
        raise PackageError("The payload has a metadata signature that is too long.")
    if header.blobs_offset > file.size:
        raise PackageError("The payload is cut short.")
    return header


def load_payload(file: PayloadFile, header: PayloadHeader, note: Note = note_nothing) -> Payload:
    """Read, decode and check the manifest after `header`.

    Call it after verifying the metadata signature. Raises PackageError, or UnsupportedError for
    features that this engine does not have.
    """
    note(Rules.MANIFEST)
    manifest = decode_manifest(file.read(HEADER_SIZE, header.manifest_size))
    note(Rules.OPERATIONS)
    check_manifest(manifest, file.size - header.blobs_offset)
    return Payload(file, header, manifest)
