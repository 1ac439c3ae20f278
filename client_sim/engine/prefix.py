"""The start of a streamed package, up to the data of its payload.

It contains everything that decides whether the package may be installed: its devices, its builds,
the manifest and its signature. A package with another layout is fetched whole.

While a package is fetched, three digests are computed: of the package, of its payload, and of the
payload's signed part. The bytes after the data of the last operation, the *rest* of the package,
are hashed when they are complete: they contain the package's own signature, which states the length
of the signed part.
"""

import io
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.digest import Digest, open_digest
from client_sim.engine.errors import AlteredError, NotStreamableError, PackageError, SlotError
from client_sim.engine.journal import Journal
from client_sim.engine.manifest_checks import Note
from client_sim.engine.package import Layout, check_payload_metadata, open_prefix
from client_sim.engine.package_metadata import PackageMetadata
from client_sim.engine.payload import (
    HEADER_SIZE,
    Payload,
    PayloadFile,
    decode_header,
    load_payload,
)
from client_sim.engine.signatures import (
    find_payload_signature,
    find_signed_length,
    verify_payload_digest,
    verify_whole_file,
)
from client_sim.engine.slots import Slots, are_created


class Blocks(Protocol):
    """The blocks of a package of `length` bytes; all except the last one have `size` bytes."""

    @property
    def length(self) -> int: ...  # noqa: D102 - an attribute, described above
    @property
    def size(self) -> int: ...  # noqa: D102 - an attribute, described above

    def read(self, index: int) -> bytes:
        """Return the whole block number `index`, counted from 0."""
        ...


class Edges:
    """A file of `length` bytes of which only the start and the end are known.

    If a read overlaps the known end, earlier bytes read as zeros, which match nothing. Any other
    read in the middle raises PackageError.
    """

    def __init__(self, length: int, head: bytes, tail: bytes = b"") -> None:
        self._length = length
        self._head = head
        self._tail = tail
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to `offset`, counted from the start or, with SEEK_END, from the end."""
        self._position = offset if whence == io.SEEK_SET else self._length + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes from the position, fewer at the end."""
        start = self._position
        stop = self._length if size < 0 else min(start + size, self._length)
        self._position = max(start, stop)
        if stop <= len(self._head):
            return self._head[start:stop]
        known = self._length - len(self._tail)
        if not known <= stop or stop == known:
            raise PackageError("The package has a part where it cannot be read from a stream.")
        missing = max(0, known - start)
        return bytes(missing) + self._tail[start + missing - known : stop - known]


# Maximum bytes before the payload, and after it; they are kept in memory.
MAX_BEFORE_BYTES: Final = 1024 * 1024
MAX_AFTER_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Prefix:
    """The checked start of a package: its first `len(head)` bytes, its metadata, its payload.

    The payload's file can be read up to the end of `head`.
    """

    head: bytes
    metadata: PackageMetadata
    payload: Payload

    @property
    def rest_offset(self) -> int:
        """The offset in the package of the end of the last operation's data."""
        partitions = self.payload.manifest.partitions
        operations = (operation for partition in partitions for operation in partition.operations)
        return len(self.head) + sum(operation.data_length for operation in operations)


def check_streamable(layout: Layout) -> None:
    """Check that a package can be installed as a stream; raises NotStreamableError."""
    payload = layout.payload
    if layout.metadata.offset > payload.offset:
        raise NotStreamableError("The package's metadata follows its payload; fetch it whole.")
    if payload.offset > MAX_BEFORE_BYTES:
        raise NotStreamableError("Too much lies before the package's payload; fetch it whole.")
    if layout.length - payload.offset - payload.size > MAX_AFTER_BYTES:
        raise NotStreamableError("Too much data follows the package's payload; fetch it whole.")


def read_head(blocks: Blocks, layout: Layout) -> tuple[bytes, bytes]:
    """Return the start of the package up to its payload's data, and the rest of its last block.

    Raises PackageError.
    """
    start = layout.payload.offset
    data = b""
    needed = start + HEADER_SIZE
    is_known = False
    while len(data) < needed:
        data += blocks.read(len(data) // blocks.size)
        if not is_known and len(data) >= needed:
            file = PayloadFile(Edges(layout.length, data), start, layout.payload.size)
            needed, is_known = start + decode_header(file).blobs_offset, True
    return data[:needed], data[needed:]


def check_prefix(head: bytes, layout: Layout, key: rsa.RSAPublicKey, note: Note) -> Prefix:
    """Check the start of a package: entries, METADATA_HASH, metadata signature, manifest.

    Raises SignatureError if it is not signed by `key`, PackageError if anything else is wrong.
    """
    package = open_prefix(Edges(layout.length, head), layout, note)
    header = check_payload_metadata(package, key, note)
    return Prefix(head, package.metadata, load_payload(package.payload_file, header, note))


@dataclass(frozen=True, slots=True)
class PackageDigests:
    """The three digests of a package's bytes so far, without its rest."""

    package: Digest
    payload: Digest
    signed: Digest

    @classmethod
    def begin(cls, head: bytes, layout: Layout, payload: Payload) -> Self:
        """Return the digests after `head`, the bytes before the payload's data."""
        digests = cls(open_digest(), open_digest(), open_digest())
        start = layout.payload.offset
        digests.package.update(head)
        digests.payload.update(head, start)
        digests.signed.update(head, start, start + payload.header.metadata_size)
        return digests

    @classmethod
    def restore(cls, states: tuple[bytes, bytes, bytes]) -> Self:
        """Return the digests that were saved; raises SlotError if they are damaged."""
        package, payload, signed = states
        return cls(open_digest(package), open_digest(payload), open_digest(signed))

    def save(self) -> tuple[bytes, bytes, bytes] | None:
        """Return the states of the digests, or None if they cannot be saved."""
        package, payload, signed = self.package.save(), self.payload.save(), self.signed.save()
        if package is None or payload is None or signed is None:
            return None
        return package, payload, signed

    def update(self, data: bytes, start: int, stop: int) -> None:
        """Add `data[start:stop]`, which is data of operations."""
        for digest in (self.package, self.payload, self.signed):
            digest.update(data, start, stop)

    def verify(
        self, rest: bytes, sha256: str, layout: Layout, payload: Payload, key: rsa.RSAPublicKey
    ) -> None:
        """Check that all added bytes and `rest` are the signed package.

        Call it once, at the end. Raises SignatureError if the payload or the package is not signed
        by `key`, AlteredError if the package is not the one with this `sha256`, PackageError if
        another hash differs.
        """
        package = self.package.copy()
        package.update(rest)
        if package.digest().hex() != sha256:
            raise AlteredError("The downloaded package is not the signed one and was discarded.")
        _, size = find_payload_signature(payload.manifest)
        self.payload.update(rest, 0, size)
        if self.payload.digest() != layout.properties.file_hash:
            raise PackageError("The payload does not have the hash FILE_HASH.")
        verify_payload_digest(rest[:size], self.signed.digest(), key)
        signed = find_signed_length(rest, layout.length) - (layout.length - len(rest))
        self.package.update(rest, 0, signed)
        verify_whole_file(rest, self.package.digest(), key)


@dataclass(slots=True)
class StreamState:
    """The position of the stream, and the received bytes of an incomplete operation.

    `position` counts bytes of the package. `operation` is the next operation to begin. `pending`
    has the bytes from the start of its data to `position`; `carry` has the start offsets of the
    pieces of `pending` that are stored with the journal. `fetched` are bytes after `position` that
    were read with the package's head. `is_doubtful` says that an operation was refused whose data
    came in several blocks.
    """

    position: int
    operation: int
    pending: bytearray
    digests: PackageDigests
    carry: list[int] = field(default_factory=list)
    fetched: bytes = b""
    is_doubtful: bool = False

    def take_fetched(self) -> bytes:
        """Return `fetched` and drop it."""
        fetched, self.fetched = self.fetched, b""
        return fetched


def resume_stream(journal: Journal, prefix: Prefix, slots: Slots, block_size: int) -> StreamState:
    """Return the state of the journal's update; raises SlotError if the slot contradicts it."""
    manifest = prefix.payload.manifest
    carry = slots.journal.load_carry(journal)
    if carry is None or not are_created(manifest, slots):
        raise SlotError("The stored progress of the update is incomplete; start it again.")
    operations = [each for partition in manifest.partitions for each in partition.operations]
    starts = [each.data_offset for each in operations[journal.operation :] if each.data_length]
    start = len(prefix.head) + starts[0] if starts else prefix.rest_offset
    is_at_block = journal.position % block_size == 0 or journal.position == journal.length
    if not is_at_block or journal.position - len(carry) != start:
        raise SlotError("The state of the update on this phone contradicts itself; start it again.")
    return StreamState(
        position=journal.position,
        operation=journal.operation,
        pending=bytearray(carry),
        digests=PackageDigests.restore(journal.states),
        carry=list(journal.carry),
    )
