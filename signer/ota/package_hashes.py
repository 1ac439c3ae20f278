"""Hashes a package's bytes in one reading and compares them with what the package announces."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.errors import ContainerError, PayloadError
from signer.ota.front import Front
from signer.ota.hashing import Crc32, Progress, Run, Track, hash_runs
from signer.ota.package import Package
from signer.ota.payload_checks import operations_with_data
from signer.ota.properties import PAYLOAD

FILE, SIGNED = "file", "signed"
CRC_WEIGHT = 0.3
_PAYLOAD, _PAYLOAD_SIGNED, _CRC = "payload", "blobs", "crc"


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
    digests = hash_runs(stream, package.front.container.length, _tracks(package), progress)
    _check_digests(package, digests)
    return PackageHashes(digests[FILE], digests.get(SIGNED, b""), digests[_PAYLOAD_SIGNED])


def whole_file_runs(front: Front) -> list[Run]:
    """Return the runs of the file's own hash, which passes through that of its signed part."""
    length, signed_file = front.container.length, front.signed_file
    if signed_file is None:
        return [Run(0, length, FILE)]
    return [
        Run(0, signed_file.length, FILE, mark=SIGNED),
        Run(signed_file.length, length, FILE),
    ]


def _tracks(package: Package) -> list[Track]:
    payload = package.payload
    stop = payload.offset + payload.length
    blobs = payload.offset + payload.header.blobs_offset
    signed_end = blobs + payload.blobs_length - payload.manifest.signatures_size
    runs = [
        whole_file_runs(package.front),
        [Run(payload.offset, stop, _PAYLOAD)],
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
    crc = Track([Run(payload.offset, stop, _CRC)], lambda _: Crc32(), CRC_WEIGHT)
    return [crc, *(Track(each) for each in runs)]


def _check_digests(package: Package, digests: Mapping[Hashable, bytes]) -> None:
    for index, (partition, operation) in enumerate(operations_with_data(package.payload.manifest)):
        announced = operation.data_hash or operation.is_known
        if announced and digests.get(index) != operation.data_hash:
            raise PayloadError(
                f"The data of a {operation.name} in partition {partition.name} does not match its "
                "hash."
            )
    if digests.get(_PAYLOAD) != package.properties.file_hash:
        raise PayloadError("FILE_HASH is not the hash of payload.bin.")
    if digests.get(_CRC) != package.front.container.entry(PAYLOAD).crc.to_bytes(4):
        raise ContainerError("The bytes of payload.bin do not match the zip's checksum.")
