"""The header `Upload-Checksum` of tus 1.0.0: the hash of one part of an upload.

Upload-Checksum: sha256 NGIyZWJl...
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from server.core.encodings import decode_base64
from server.core.errors import FormatError
from server.release.uploads.errors import UploadChecksumError

ALGORITHMS = {"sha1": 20, "sha256": 32}
"""What a part may be hashed with, and the octets of each hash. sha1 is there because the protocol
demands it; it guards one transfer against accidents, while a blob's identity is its sha256."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """The hash that a part is said to have, and the hash of what has arrived of it."""

    expected: bytes
    _digest: Any = field(repr=False)

    def feed(self, data: bytes) -> None:
        """Take octets in, in order."""
        self._digest.update(data)

    def check(self) -> None:
        """Raise UploadChecksumError unless what was fed has the hash."""
        if not hmac.compare_digest(self._digest.digest(), self.expected):
            raise UploadChecksumError("the part does not have its checksum: send it again.")


def decode_checksum(text: str) -> Checksum:
    """Return what an `Upload-Checksum` header says; FormatError for other algorithms, too."""
    algorithm, _, encoded = text.partition(" ")
    length = ALGORITHMS.get(algorithm)
    if length is None:
        raise FormatError(f"Upload-Checksum: use one of {', '.join(sorted(ALGORITHMS))}.")
    expected = decode_base64(encoded)
    if len(expected) != length:
        raise FormatError(f"Upload-Checksum: a {algorithm} has {length} octets.")
    return Checksum(expected, hashlib.new(algorithm, usedforsecurity=False))
