"""Writes the CrAU payload of a made-up build: the full one of FORMATS section 14."""

import base64
import hashlib
import lzma
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.engine.manifest import OperationType
from client_sim.fleet.made_build import BLOCK, MadeBuild
from client_sim.fleet.package_signer import PackageSigner

_VARINT: Final = 0
_BYTES: Final = 2
_FIXED32: Final = 5
_RUN: Final = 64  # blocks that one operation writes at most


@dataclass(frozen=True, slots=True)
class MadePayload:
    """A payload, and the values of `payload_properties.txt`.

    `front` octets are header, manifest and metadata signature.
    """

    octets: bytes
    front: int
    properties: Mapping[str, str]


def make_payload(build: MadeBuild, signer: PackageSigner) -> MadePayload:
    """Write and sign a payload that makes all partitions of `build`."""
    updates, data = b"", b""
    for name, image in build.images.items():
        fields = _field(1, name.encode()) + _field(7, _describe(image))
        for first in range(0, len(image) // BLOCK, _RUN):
            operation, octets = _replace(image, first, len(data))
            fields += _field(8, operation)
            data += octets
        updates += _field(13, fields)
    room = len(_wrap(signer.sign(b"")))
    manifest = _number(3, BLOCK) + _number(4, len(data)) + _number(5, room) + _number(12, 0)
    manifest += updates + _number(14, build.facts.post_timestamp)
    manifest += _field(18, build.facts.security_patch_level.encode())
    metadata = struct.pack(">4sQQL", b"CrAU", 2, len(manifest), room) + manifest
    octets = metadata + _wrap(signer.sign(metadata)) + data + _wrap(signer.sign(metadata + data))
    properties = {
        "FILE_HASH": _hash(octets),
        "FILE_SIZE": str(len(octets)),
        "METADATA_HASH": _hash(metadata),
        "METADATA_SIZE": str(len(metadata)),
    }
    return MadePayload(octets, len(metadata) + room, properties)


def _replace(image: bytes, first: int, offset: int) -> tuple[bytes, bytes]:
    """Return the operation that writes a run of blocks, and its data, which lies at `offset`."""
    blocks = min(_RUN, len(image) // BLOCK - first)
    plain = image[first * BLOCK : (first + blocks) * BLOCK]
    packed = lzma.compress(plain, lzma.FORMAT_XZ, lzma.CHECK_CRC32)
    is_smaller = len(packed) < len(plain)
    kind = OperationType.REPLACE_XZ if is_smaller else OperationType.REPLACE
    data = packed if is_smaller else plain
    fields = _number(1, kind) + _number(2, offset) + _number(3, len(data))
    fields += _field(6, _number(1, first) + _number(2, blocks))
    return fields + _field(8, hashlib.sha256(data).digest()), data


def _describe(image: bytes) -> bytes:
    return _number(1, len(image)) + _field(2, hashlib.sha256(image).digest())


def _wrap(signature: bytes) -> bytes:
    """Return a `Signatures` message with one signature."""
    size = _varint(3 << 3 | _FIXED32) + len(signature).to_bytes(4, "little")
    return _field(1, _field(2, signature) + size)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _field(number: int, octets: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(octets)) + octets


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def _hash(octets: bytes) -> str:
    return base64.b64encode(hashlib.sha256(octets).digest()).decode()
