"""The headers `Upload-Checksum` and `Upload-Metadata` of tus 1.0.0."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Any

from server.core.encodings import check_sha256, decode_base64
from server.core.errors import FormatError
from server.release.uploads.limits import UploadChecksumError

ALGORITHMS = {"sha1": 20, "sha256": 32}
"""The hash algorithms of a part, with the length of each hash in bytes.

The protocol requires sha1. It only detects transmission errors; a blob is identified by its sha256.
"""


@dataclass(frozen=True, slots=True)
class Checksum:
    """The announced hash of a part, and the running hash of its bytes so far."""

    expected: bytes
    _digest: Any = field(repr=False)

    def feed(self, data: bytes) -> None:
        """Add the next bytes to the running hash."""
        self._digest.update(data)

    def check(self) -> None:
        """Raise UploadChecksumError unless the bytes have the announced hash."""
        if not hmac.compare_digest(self._digest.digest(), self.expected):
            raise UploadChecksumError("the part does not have its checksum: send it again.")


def decode_checksum(text: str) -> Checksum:
    """Return the checksum in an `Upload-Checksum` header.

    Raises FormatError for a malformed header, and for an unsupported algorithm.
    """
    algorithm, _, encoded = text.partition(" ")
    length = ALGORITHMS.get(algorithm)
    if length is None:
        raise FormatError(f"Upload-Checksum: use one of {', '.join(sorted(ALGORITHMS))}.")
    expected = decode_base64(encoded)
    if len(expected) != length:
        raise FormatError(f"Upload-Checksum: a {algorithm} has {length} bytes.")
    return Checksum(expected, hashlib.new(algorithm, usedforsecurity=False))


METADATA_LIMIT = 4096
"""The limit of the header in characters: with a hash and a file name it has under 600."""
_KEY = re.compile(r"[!-+\--~]{1,64}")  # ASCII without space and comma


def decode_upload_metadata(text: str) -> str:
    """Return the sha256 that an `Upload-Metadata` header announces, in hex.

    Raises FormatError for a header that is malformed, repeats a key or has no `sha256`.
    """
    if len(text) > METADATA_LIMIT:
        raise FormatError(f"Upload-Metadata is longer than {METADATA_LIMIT} characters.")
    values: dict[str, bytes] = {}
    for pair in text.split(",") if text else ():
        key, _, encoded = pair.strip(" ").partition(" ")
        if _KEY.fullmatch(key) is None or key in values:
            raise FormatError("Upload-Metadata is not of the form `KEY BASE64,KEY BASE64`.")
        values[key] = decode_base64(encoded)
    if "sha256" not in values:
        raise FormatError("Upload-Metadata has no `sha256`: announce the hash of all the bytes.")
    sha256 = values["sha256"].decode(errors="backslashreplace")
    check_sha256(sha256)
    return sha256


def encode_upload_metadata(sha256: str) -> str:
    """Return an `Upload-Metadata` header with the hash; other members are not stored."""
    return f"sha256 {base64.b64encode(sha256.encode()).decode()}"
