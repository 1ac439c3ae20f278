"""Hashes a package's bytes in one reading and compares them with what the package announces."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.errors import ContainerError, PayloadError
from signer.ota.hashing import Progress, Run, hash_runs
from signer.ota.package import Package
from signer.ota.payload_checks import operations_with_data
from signer.ota.properties import PAYLOAD

_FILE, _SIGNED, _PAYLOAD, _PAYLOAD_SIGNED, _CRC = "file", "signed", "payload", "blobs", "crc"


@dataclass(frozen=True, slots=True)
class PackageHashes:
    """SHA-256 of the file, of what its signature covers, and of what the payload's covers.

    `signed_file` is empty when there is no whole-file signature.
    """

    file: bytes
    signed_file: bytes
    signed_payload: bytes


def load_hashes(stream: BinaryIO, package: Package, progress: Progress | None) -> PackageHashes:
    """Read the whole file; PayloadError or ContainerError when its bytes are not as announced."""
    whole = _whole_payload(package, _CRC)
    length = package.container.length
    digests = hash_runs(stream, length, _tracks(package), whole, progress)
    _check_digests(package, digests)
    return PackageHashes(digests[_FILE], digests.get(_SIGNED, b""), digests[_PAYLOAD_SIGNED])


def _whole_payload(package: Package, key: str) -> list[Run]:
    start = package.payload.offset
    return [Run(start, start + package.payload.length, key)]


def _tracks(package: Package) -> list[Iterable[Run]]:
    payload = package.payload
    blobs = payload.offset + payload.header.blobs_offset
    signed_end = blobs + payload.blobs_length - payload.manifest.signatures_size
    tracks: list[Iterable[Run]] = [
        [Run(0, package.container.length, _FILE)],
        _whole_payload(package, _PAYLOAD),
        [  # the payload signature skips the metadata signature
            Run(payload.offset, payload.offset + payload.header.metadata_size, _PAYLOAD_SIGNED),
            Run(blobs, signed_end, _PAYLOAD_SIGNED),
        ],
        [
            Run(
                blobs + operation.data_offset,
                blobs + operation.data_offset + operation.data_length,
                index,
            )
            for index, (_, operation) in enumerate(operations_with_data(payload.manifest))
        ],
    ]
    if package.signed_file is not None:
        tracks.append([Run(0, package.signed_file.length, _SIGNED)])
    return tracks


def _check_digests(package: Package, digests: Mapping[Hashable, bytes]) -> None:
    for index, (partition, operation) in enumerate(operations_with_data(package.payload.manifest)):
        if digests.get(index) != operation.data_hash:
            raise PayloadError(
                f"The data of a {operation.name} in partition {partition.name} does not match its "
                "hash."
            )
    if digests.get(_PAYLOAD) != package.properties.file_hash:
        raise PayloadError("FILE_HASH is not the hash of payload.bin.")
    if digests.get(_CRC) != package.container.entry(PAYLOAD).crc.to_bytes(4):
        raise ContainerError("The bytes of payload.bin do not match the zip's checksum.")
