"""The two signed strings about a package: where its parts lie, and what its payload must be.

Property files: `name:offset:size` joined by commas, in any order, padded with spaces at the end.
Payload properties: `FILE_HASH`, `FILE_SIZE`, `METADATA_HASH` and `METADATA_SIZE`, sizes in
decimal, hashes base64 of sha256.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.engine.errors import PackageError

_MAX_PROPERTY_FILES: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_MAX_HASH_TEXT: Final = 44


@dataclass(frozen=True, slots=True)
class FileRange:
    """Where a part of the package lies: offset and size in bytes."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class PayloadProperties:
    """The sizes in bytes and the sha256 of a payload and of its header with manifest."""

    file_hash: bytes
    file_size: int
    metadata_hash: bytes
    metadata_size: int


def decode_property_files(text: str) -> dict[str, FileRange]:
    """Decode a property-files string; raises PackageError."""
    if len(text) > _MAX_PROPERTY_FILES:
        raise PackageError("The list of the package's parts is too long.")
    ranges: dict[str, FileRange] = {}
    for entry in text.rstrip(" ").split(","):
        parts = entry.split(":")
        if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
            raise PackageError("The list of the package's parts is not name:offset:size.")
        name, offset, size = parts
        if not _DECIMAL.fullmatch(offset) or not _DECIMAL.fullmatch(size):
            raise PackageError(
                "The list of the package's parts has an offset or size that is no number."
            )
        if name in ranges:
            raise PackageError(f"The list of the package's parts names {name} twice.")
        ranges[name] = FileRange(int(offset), int(size))
    return ranges


def decode_payload_properties(properties: Mapping[str, str]) -> PayloadProperties:
    """Decode payload properties; other keys are left alone. Raises PackageError."""
    return PayloadProperties(
        file_hash=_decode_hash(properties, "FILE_HASH"),
        file_size=_decode_size(properties, "FILE_SIZE"),
        metadata_hash=_decode_hash(properties, "METADATA_HASH"),
        metadata_size=_decode_size(properties, "METADATA_SIZE"),
    )


def _decode_hash(properties: Mapping[str, str], key: str) -> bytes:
    text = properties.get(key, "")
    try:
        digest = base64.b64decode(text[: _MAX_HASH_TEXT + 1], validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    # The second comparison refuses a second spelling of the same bytes.
    if len(digest) != 32 or base64.b64encode(digest).decode() != text:
        raise PackageError(f"The package's {key} is not a base64 sha256.")
    return digest


def _decode_size(properties: Mapping[str, str], key: str) -> int:
    text = properties.get(key, "")
    if not _DECIMAL.fullmatch(text):
        raise PackageError(f"The package's {key} is not a number.")
    return int(text)
