"""The start of a package that passes by as a stream, up to the data of its payload.

All that decides whether the package may be installed lies there: who it is for, what it leads to,
the manifest and its signature. A package whose parts lie otherwise is fetched whole.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.blocks import Blocks
from client_sim.engine.edges import Edges
from client_sim.engine.errors import NotStreamableError
from client_sim.engine.package import Layout, check_payload_metadata, open_front
from client_sim.engine.package_metadata import PackageMetadata
from client_sim.engine.payload import (
    HEADER_SIZE,
    Payload,
    PayloadFile,
    decode_header,
    load_payload,
)
from client_sim.engine.rules import Note, note_nothing

# What may lie before the payload, and behind it: it is held in memory.
MAX_BEFORE_BYTES: Final = 1024 * 1024
MAX_BEHIND_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Front:
    """The checked start of a package: its first `len(head)` bytes, its metadata, its payload.

    The payload's file can be read as far as `head` goes.
    """

    head: bytes
    metadata: PackageMetadata
    payload: Payload

    @property
    def rest_offset(self) -> int:
        """Where in the package the data of the last operation ends."""
        partitions = self.payload.manifest.partitions
        operations = (operation for partition in partitions for operation in partition.operations)
        return len(self.head) + sum(operation.data_length for operation in operations)


def check_streamable(layout: Layout) -> None:
    """Check that a package can be installed while it passes by; raises NotStreamableError."""
    payload = layout.payload
    if layout.metadata.offset > payload.offset:
        raise NotStreamableError("The package's metadata lies behind its payload; fetch it whole.")
    if payload.offset > MAX_BEFORE_BYTES:
        raise NotStreamableError("Too much lies before the package's payload; fetch it whole.")
    if layout.length - payload.offset - payload.size > MAX_BEHIND_BYTES:
        raise NotStreamableError("Too much lies behind the package's payload; fetch it whole.")


def read_head(blocks: Blocks, layout: Layout) -> tuple[bytes, bytes]:
    """Return the start of the package up to its payload's data, and what was read with it.

    The second is the octets behind, to the end of a block. Raises PackageError.
    """
    start = layout.payload.offset
    octets = b""
    wanted = start + HEADER_SIZE
    is_known = False
    while len(octets) < wanted:
        octets += blocks.read(len(octets) // blocks.size)
        if not is_known and len(octets) >= wanted:
            file = PayloadFile(Edges(layout.length, octets), start, layout.payload.size)
            wanted, is_known = start + decode_header(file).blobs_offset, True
    return octets[:wanted], octets[wanted:]


def check_front(
    head: bytes, layout: Layout, key: rsa.RSAPublicKey, note: Note = note_nothing
) -> Front:
    """Check the start of a package: entries, METADATA_HASH, metadata signature, manifest.

    Raises SignatureError if it is not signed by `key`, PackageError if anything else is wrong.
    """
    package = open_front(Edges(layout.length, head), layout, note)
    header = check_payload_metadata(package, key, note)
    return Front(head, package.metadata, load_payload(package.payload_file, header, note))
