"""Hashes a package's bytes in one reading and compares them with what the package announces."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.data_heads import HEAD, find_fault
from signer.ota.entry_hash import check_entries, unpacked_entries
from signer.ota.errors import PayloadError, PropertiesError
from signer.ota.front import Front
from signer.ota.hashing import Progress, Run, Track, hash_runs
from signer.ota.package import Package
from signer.ota.payload_checks import operations_with_data

FILE, SIGNED = "file", "signed"
_PAYLOAD, _PAYLOAD_SIGNED = "payload", "blobs"


@dataclass(frozen=True, slots=True)
class PackageHashes:
    """SHA-256 of the file, of what its signature covers, and of what the payload's covers.

    `signed_file` is empty when there is no whole-file signature, `signed_payload` when nobody wants
    to verify one.
    """

    file: bytes
    signed_file: bytes
    signed_payload: bytes


def load_hashes(
    stream: BinaryIO, package: Package, progress: Progress | None, *, is_verified: bool
) -> PackageHashes:
    """Read the whole file; OtaError when its bytes are not as announced.

    With `is_verified` it is also read for what the payload's signature covers.
    """
    tracks = [*_tracks(package), *([_signed_payload(package)] if is_verified else [])]
    digests = hash_runs(stream, package.front.container.length, tracks, progress)
    _check_digests(stream, package, digests)
    return PackageHashes(digests[FILE], digests.get(SIGNED, b""), digests.get(_PAYLOAD_SIGNED, b""))


def load_signed_hash(stream: BinaryIO, front: Front) -> bytes:
    """Read the file for the hash that its signature covers; empty when it has no signature."""
    if front.signed_file is None:
        return b""
    runs = [Run(0, front.signed_file.length, SIGNED)]
    return hash_runs(stream, front.signed_file.length, [Track(runs)])[SIGNED]


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
    runs = [
        whole_file_runs(package.front),
        [Run(payload.offset, stop, _PAYLOAD)],
        [
            Run(
                blobs + operation.data_offset,
                blobs + operation.data_offset + operation.data_length,
                index,
            )
            for index, (_, operation) in enumerate(operations_with_data(payload.manifest))
        ],
    ]
    return [unpacked_entries(package.front.container), *(Track(each) for each in runs)]


def _signed_payload(package: Package) -> Track:
    """Return the runs that the payload signature covers; it skips the metadata signature."""
    payload = package.payload
    blobs = payload.offset + payload.header.blobs_offset
    stop = blobs + payload.blobs_length - payload.manifest.signatures_size
    front = payload.offset + payload.header.metadata_size
    runs = [Run(payload.offset, front, _PAYLOAD_SIGNED), Run(blobs, stop, _PAYLOAD_SIGNED)]
    return Track(runs)


def _check_digests(stream: BinaryIO, package: Package, digests: Mapping[Hashable, bytes]) -> None:
    blobs = package.payload.offset + package.payload.header.blobs_offset
    for index, (partition, operation) in enumerate(operations_with_data(package.payload.manifest)):
        announced = operation.data_hash or operation.is_known
        if announced and digests.get(index) != operation.data_hash:
            raise PayloadError(
                f"The data of a {operation.name} in partition {partition.name} does not match its "
                "hash."
            )
        stream.seek(blobs + operation.data_offset)
        fault = find_fault(operation, stream.read(min(HEAD, operation.data_length)))
        if fault:
            raise PayloadError(
                f"The data of a {operation.name} in partition {partition.name} {fault}, so phones"
                " refuse it."
            )
    if digests.get(_PAYLOAD) != package.properties.file_hash:
        raise PropertiesError("FILE_HASH is not the hash of payload.bin.")
    check_entries(package.front.container, digests)
