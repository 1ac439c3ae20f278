"""Reads the head of a CrAU payload: header, manifest, metadata signature."""

import hashlib
import struct
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.errors import PayloadError, UnsupportedError
from signer.ota.manifest import MAX_MANIFEST, Manifest, decode_manifest
from signer.ota.signatures import Certificate, verify_signatures

HEADER_LENGTH = 24
MAX_SIGNATURE = 64 << 10


@dataclass(frozen=True, slots=True)
class Header:
    """The 24 bytes that every payload of major version 2 starts with; sizes in bytes."""

    manifest_size: int
    signature_size: int

    @property
    def metadata_size(self) -> int:
        """Length of header and manifest (METADATA_SIZE)."""
        return HEADER_LENGTH + self.manifest_size

    @property
    def blobs_offset(self) -> int:
        """Where the data of the operations starts, after the metadata signature."""
        return self.metadata_size + self.signature_size


@dataclass(frozen=True, slots=True)
class Payload:
    """The head of a payload of `length` bytes that starts at `offset` of its stream.

    `metadata` is the bytes of header and manifest. `metadata_signature` is the `Signatures` message
    after them, empty when the payload is not signed.
    """

    offset: int
    length: int
    header: Header
    manifest: Manifest
    metadata: bytes
    metadata_signature: bytes

    @property
    def metadata_hash(self) -> bytes:
        """SHA-256 of header and manifest (METADATA_HASH)."""
        return hashlib.sha256(self.metadata).digest()

    @property
    def blobs_length(self) -> int:
        """Length of everything after the metadata signature."""
        return self.length - self.header.blobs_offset


def decode_header(raw: bytes) -> Header:
    """Decode the first 24 bytes; sizes are checked against their limits before use."""
    if not raw.startswith(b"CrAU"):
        raise PayloadError("payload.bin is not a payload: it does not start with CrAU.")
    if len(raw) != HEADER_LENGTH:
        raise PayloadError("payload.bin ends within its header.")
    major, manifest_size, signature_size = struct.unpack(">QQL", raw[4:])
    if major != 2:
        raise UnsupportedError(f"The payload has major version {major}; only 2 is supported.")
    if not 0 < manifest_size <= MAX_MANIFEST:
        raise PayloadError(
            f"The payload announces a manifest of {manifest_size} bytes; 1 to {MAX_MANIFEST} "
            "are allowed."
        )
    if signature_size > MAX_SIGNATURE:
        raise PayloadError("The payload announces a metadata signature larger than 64 KiB.")
    return Header(manifest_size, signature_size)


def load_payload(
    stream: BinaryIO, offset: int, length: int, certificate: Certificate | None = None
) -> Payload:
    """Read the head of the payload that lies in `stream` at `offset`; the data is not read.

    With `certificate` the metadata signature is verified before the manifest is decoded, so that
    unsigned metadata costs only a hash.
    """
    stream.seek(offset)
    first = stream.read(min(HEADER_LENGTH, length))
    header = decode_header(first)
    if header.blobs_offset > length:
        raise PayloadError("The payload's manifest and signature run beyond the end of the file.")
    manifest = stream.read(header.manifest_size)
    signature = stream.read(header.signature_size)
    if len(manifest) + len(signature) != header.manifest_size + header.signature_size:
        raise PayloadError("payload.bin is cut off within its manifest.")
    metadata = first + manifest
    if certificate is not None:
        digest = hashlib.sha256(metadata).digest()
        verify_signatures(signature, digest, certificate, "metadata signature")
    return Payload(offset, length, header, decode_manifest(manifest), metadata, signature)


def load_payload_signature(stream: BinaryIO, payload: Payload) -> bytes:
    """Return the `Signatures` message after the data, empty when the payload is not signed."""
    offset, size = payload.manifest.signatures_offset, payload.manifest.signatures_size
    if offset is None:
        return b""
    if size > MAX_SIGNATURE:
        raise PayloadError("The payload announces a signature larger than 64 KiB.")
    stream.seek(payload.offset + payload.header.blobs_offset + offset)
    return stream.read(size)
