"""One operation of a payload, from its data and the old image to the new image.

The new image starts as a file of zeros, so runs of zeros are skipped and stay holes. Hashes are
checked before the first byte of an operation is written.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from client_sim.engine.bsdiff import apply_patch
from client_sim.engine.decompression import Compression, iter_decompressed
from client_sim.engine.disk import Disk
from client_sim.engine.errors import ApplyError, PackageError
from client_sim.engine.manifest import BLOCK_SIZE, Extent, Operation, OperationType
from client_sim.engine.payload import Payload

_CHUNK: Final = 256 * BLOCK_SIZE
_ZERO_BLOCK: Final = bytes(BLOCK_SIZE)

_COMPRESSIONS: Final = {
    OperationType.REPLACE: Compression.NONE,
    OperationType.REPLACE_BZ: Compression.BZ2,
    OperationType.REPLACE_XZ: Compression.XZ,
}


def apply_operation(
    operation: Operation, payload: Payload, source: BinaryIO | None, target: BinaryIO, disk: Disk
) -> None:
    """Write the destination extents of a checked operation into `target`.

    `source` is the old image, open for reading, None if the partition has none; `target` is the
    new image, whole in size and zero where nothing was written yet. Raises PackageError if the
    data is not what the manifest says, ApplyError if the old image is not.
    """
    data = payload.iter_blob(operation.data_offset, operation.data_length)
    match operation.type:
        case OperationType.ZERO | OperationType.DISCARD:
            # The target is zeros already. DISCARD promises nothing, and zeros are what the
            # manifest's hash counts on.
            return
        case OperationType.REPLACE | OperationType.REPLACE_BZ | OperationType.REPLACE_XZ:
            _check_data(operation, payload)
            compression = _COMPRESSIONS[operation.type]
            pieces = iter_decompressed(compression, data, operation.dst_bytes)
        case OperationType.SOURCE_COPY:
            _check_source(operation, source)
            pieces = _iter_extents(source, operation.src)
        case OperationType.SOURCE_BSDIFF | OperationType.BROTLI_BSDIFF:
            _check_data(operation, payload)
            _check_source(operation, source)
            old = b"".join(_iter_extents(source, operation.src))
            new = apply_patch(old, b"".join(data), operation.dst_bytes)
            pieces = (new[at : at + _CHUNK] for at in range(0, len(new), _CHUNK))
        case _:
            raise PackageError(f"The operation {operation.type.name} was not refused in time.")
    _write_extents(pieces, operation, target, disk)


def _check_data(operation: Operation, payload: Payload) -> None:
    digest = _hash(payload.iter_blob(operation.data_offset, operation.data_length))
    if digest != operation.data_sha256:
        raise PackageError(f"The data of a {operation.type.name} operation is damaged.")


def _check_source(operation: Operation, source: BinaryIO | None) -> None:
    if operation.src_sha256 is None:
        return
    if _hash(_iter_extents(source, operation.src)) != operation.src_sha256:
        raise ApplyError(
            "The running build is not the one that this incremental package starts from."
        )


def _hash(pieces: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _iter_extents(source: BinaryIO | None, extents: tuple[Extent, ...]) -> Iterator[bytes]:
    """Yield the bytes of the extents of the old image, in pieces of at most a megabyte."""
    if source is None:
        raise ApplyError("There is no old image for an operation that needs one.")
    for extent in extents:
        source.seek(extent.start * BLOCK_SIZE)
        rest = extent.count * BLOCK_SIZE
        while rest:
            piece = source.read(min(rest, _CHUNK))
            if not piece:
                raise ApplyError("An old image on this phone is shorter than it was.")
            rest -= len(piece)
            yield piece


def _write_extents(
    pieces: Iterator[bytes], operation: Operation, target: BinaryIO, disk: Disk
) -> None:
    """Spread the pieces over the destination extents, which they must fill exactly."""
    stream = _Reblocked(pieces)
    for extent in operation.dst:
        position = extent.start * BLOCK_SIZE
        rest = extent.count * BLOCK_SIZE
        while rest:
            piece = stream.read(min(rest, _CHUNK))
            if len(piece) < min(rest, _CHUNK):
                raise PackageError(f"The data of a {operation.type.name} operation is too short.")
            _write_sparse(target, position, piece, disk)
            position += len(piece)
            rest -= len(piece)
    if stream.read(1):
        raise PackageError(f"The data of a {operation.type.name} operation is too long.")


class _Reblocked:
    """Reads exact amounts from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = bytearray()

    def read(self, size: int) -> bytes:
        """Return `size` bytes, less only at the end, which is only reached by asking beyond it."""
        while len(self._buffer) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _write_sparse(target: BinaryIO, position: int, data: bytes, disk: Disk) -> None:
    """Write the runs of blocks in `data` that are not zero."""
    start = None
    for offset in range(0, len(data) + BLOCK_SIZE, BLOCK_SIZE):
        block = data[offset : offset + BLOCK_SIZE]
        if block and block != _ZERO_BLOCK:
            start = offset if start is None else start
        elif start is not None:
            target.seek(position + start)
            disk.write(target, data[start:offset])
            start = None
