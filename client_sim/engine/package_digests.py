"""The digests of a streamed package: of itself, its payload, and the payload's signed part.

Bytes after the data of the last operation, the *rest* of the package, are hashed at the end, when
they are complete: they contain the package's own signature, which states how much of it is signed.
"""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.digest import Digest, open_digest
from client_sim.engine.errors import AlteredError, PackageError
from client_sim.engine.package import Layout
from client_sim.engine.payload import Payload
from client_sim.engine.signatures import (
    find_payload_signature,
    find_signed_length,
    verify_payload_digest,
    verify_whole_file,
)


@dataclass(frozen=True, slots=True)
class PackageDigests:
    """The three digests of a package up to some point before its rest."""

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
        """Add the bytes from `start` to before `stop`, which belong to operations."""
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
        whole = self.package.copy()
        whole.update(rest)
        if whole.digest().hex() != sha256:
            raise AlteredError("The downloaded package is not the signed one and was thrown away.")
        _, size = find_payload_signature(payload.manifest)
        self.payload.update(rest, 0, size)
        if self.payload.digest() != layout.properties.file_hash:
            raise PackageError("The payload does not have the hash FILE_HASH.")
        verify_payload_digest(rest[:size], self.signed.digest(), key)
        signed = find_signed_length(rest, layout.length) - (layout.length - len(rest))
        self.package.update(rest, 0, signed)
        verify_whole_file(rest, self.package.digest(), key)
