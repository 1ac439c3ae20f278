"""Loads the small parts of an OTA package, and compares them with each other and its bytes."""

import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.container import STORED, Container, Entry, Envelope, load_entry
from signer.ota.errors import (
    METADATA_SIGNATURE,
    OFFSETS,
    PARTITION_HASHES,
    PROPERTIES,
    RULES,
    Answered,
    ContainerError,
    MetadataError,
    PayloadError,
    PropertiesError,
    ignore,
)
from signer.ota.hashing import Progress, Run, Track, hash_runs
from signer.ota.metadata import PROPERTY_FILES, STREAMING_PROPERTY_FILES, Metadata
from signer.ota.payload import Payload, load_payload
from signer.ota.payload_checks import HEAD, check_manifest, find_fault, operations_with_data
from signer.ota.properties import (
    MAX_PROPERTIES,
    MAX_PROPERTY_FILES,
    PAYLOAD,
    PAYLOAD_METADATA,
    PAYLOAD_PROPERTIES,
    PayloadProperties,
    check_property_files,
    decode_payload_properties,
    decode_property_files,
)
from signer.ota.signatures import Certificate


@dataclass(frozen=True, slots=True)
class Package:
    """The small parts of an A/B package, which agree with each other."""

    envelope: Envelope
    properties: PayloadProperties
    payload: Payload


def load_package(
    stream: BinaryIO,
    envelope: Envelope,
    answered: Answered = ignore,
    certificate: Certificate | None = None,
) -> Package:
    """Read everything of an A/B package except the payload's data.

    With `certificate`, the metadata signature must verify with it. `answered` is called with each
    question whose answer is yes. Raises OtaError for the first part that is malformed or
    contradicts another.
    """
    container, metadata = envelope.container, envelope.metadata
    entry = container.entry(PAYLOAD)
    if entry.method != STORED:
        raise ContainerError(
            "payload.bin is compressed in the zip, so no phone can stream it.", RULES
        )
    payload = load_payload(stream, entry.offset, entry.size, certificate)
    if certificate is not None:
        answered(METADATA_SIGNATURE)
    check_manifest(payload.manifest, payload.blobs_length)
    _check_target(metadata, payload)
    answered(RULES)
    answered(PARTITION_HASHES)
    _check_property_files(metadata, container, payload)
    answered(OFFSETS)
    raw = load_entry(stream, container.entry(PAYLOAD_PROPERTIES), MAX_PROPERTIES)
    properties = decode_payload_properties(raw)
    _check_sizes(properties, payload)
    answered(PROPERTIES)
    return Package(envelope, properties, payload)


def _check_target(metadata: Metadata, payload: Payload) -> None:
    manifest = payload.manifest
    if manifest.is_delta != bool(metadata.source_builds):
        raise MetadataError(
            "The metadata and the payload disagree about whether the package is incremental."
        )
    # A downgrade's payload has the date of its source build, so that the device accepts it.
    if manifest.max_timestamp != metadata.post_timestamp and not metadata.downgrade:
        raise MetadataError("The metadata and the payload disagree about the build date.")
    if manifest.security_patch_level not in {"", metadata.security_patch_level}:
        raise MetadataError("The metadata and the payload disagree about the security patch level.")


def _check_property_files(metadata: Metadata, container: Container, payload: Payload) -> None:
    if PROPERTY_FILES not in metadata.property_files:
        raise PropertiesError(f"The metadata lacks {PROPERTY_FILES}.", OFFSETS)
    for key, value in metadata.property_files.items():
        if key == STREAMING_PROPERTY_FILES and len(value) > MAX_PROPERTY_FILES:
            raise PropertiesError(
                f"{key} has {len(value)} characters; at most {MAX_PROPERTY_FILES} are allowed.",
                OFFSETS,
            )
        spans = decode_property_files(value, key)
        if key == PROPERTY_FILES and PAYLOAD_METADATA not in spans:
            raise PropertiesError(f"{PROPERTY_FILES} does not name {PAYLOAD_METADATA}.", OFFSETS)
        check_property_files(spans, key, container, payload.header.blobs_offset)


def _check_sizes(properties: PayloadProperties, payload: Payload) -> None:
    if properties.file_size != payload.length:
        raise PropertiesError(
            f"FILE_SIZE is {properties.file_size}, but payload.bin has {payload.length} bytes."
        )
    if properties.metadata_size != payload.header.metadata_size:
        raise PropertiesError(
            f"METADATA_SIZE is {properties.metadata_size}, but header and manifest have "
            f"{payload.header.metadata_size} bytes."
        )
    if properties.metadata_hash != payload.metadata_hash:
        raise PropertiesError("METADATA_HASH is not the hash of the payload's header and manifest.")


_PIECE = 1 << 20
_WEIGHT = 0.4  # per byte of a stored entry; most packages deflate little


class UnpackedCrc:
    """Computes size and CRC-32 of an entry's unpacked bytes, with the interface of a hash.

    `digest` returns 8 bytes of size and 4 of CRC-32, big-endian. It returns no bytes when the entry
    cannot be unpacked, does not end where its packed bytes end, or exceeds its announced size.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._inflate = None if entry.method == STORED else zlib.decompressobj(-zlib.MAX_WBITS)
        self._size, self._crc, self._is_bad = 0, 0, False

    def update(self, data: memoryview, /) -> None:
        """Add the next packed bytes."""
        if self._inflate is None:
            self._take(data)
            return
        rest: bytes | memoryview = data
        try:
            while not self._is_bad:
                if self._inflate.eof:
                    self._is_bad = len(rest) > 0
                    break
                piece = self._inflate.decompress(rest, _PIECE)
                self._take(piece)
                # The decompressor may still hold output after it has consumed all input.
                rest = self._inflate.unconsumed_tail or self._inflate.unused_data
                if not rest and len(piece) < _PIECE:
                    break
        except zlib.error:
            self._is_bad = True

    def digest(self) -> bytes:
        """Return size and checksum, or no bytes if the entry is bad."""
        is_open = self._inflate is not None and not self._inflate.eof
        return b"" if self._is_bad or is_open else encode_unpacked(self._size, self._crc)

    def _take(self, data: bytes | memoryview) -> None:
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._is_bad = self._is_bad or self._size > self._entry.size


def unpacked_entries(container: Container) -> Track:
    """Return the track that unpacks every entry; its keys are the entries."""
    entries = sorted(container.entries.values(), key=lambda each: each.offset)
    runs = [Run(each.offset, each.offset + each.packed_size, each) for each in entries]
    return Track(runs, _follow, _WEIGHT)


def check_entries(container: Container, digests: Mapping[Hashable, bytes]) -> None:
    """Raise ContainerError unless every entry unpacks to the size and checksum in the directory."""
    for entry in container.entries.values():
        if digests.get(entry) != encode_unpacked(entry.size, entry.crc):
            raise ContainerError(
                f"The bytes of {entry.shown} do not match the zip's size and checksum."
            )


def _follow(key: Hashable) -> UnpackedCrc:
    if not isinstance(key, Entry):
        raise TypeError("the runs of this track have entries as keys")
    return UnpackedCrc(key)


def encode_unpacked(size: int, crc: int) -> bytes:
    """Encode size and CRC-32 as `UnpackedCrc.digest` does."""
    return size.to_bytes(8) + crc.to_bytes(4)


FILE, SIGNED = "file", "signed"
_PAYLOAD, _PAYLOAD_SIGNED = "payload", "blobs"


@dataclass(frozen=True, slots=True)
class PackageHashes:
    """SHA-256 of the file, and of the parts that the file's and the payload's signatures cover.

    `signed_file` is empty when there is no whole-file signature, `signed_payload` when the
    payload's signature is not verified.
    """

    file: bytes
    signed_file: bytes
    signed_payload: bytes


def load_hashes(
    stream: BinaryIO, package: Package, progress: Progress | None, *, is_verified: bool
) -> PackageHashes:
    """Read the whole file; raises OtaError when its bytes do not match what the package says.

    With `is_verified`, the part that the payload's signature covers is hashed, too.
    """
    tracks = [*_tracks(package), *([_signed_payload(package)] if is_verified else [])]
    digests = hash_runs(stream, package.envelope.container.length, tracks, progress)
    _check_digests(stream, package, digests)
    return PackageHashes(digests[FILE], digests.get(SIGNED, b""), digests.get(_PAYLOAD_SIGNED, b""))


def load_signed_hash(stream: BinaryIO, envelope: Envelope) -> bytes:
    """Return the hash that the file's signature covers; empty when there is no signature."""
    if envelope.signed_file is None:
        return b""
    runs = [Run(0, envelope.signed_file.length, SIGNED)]
    return hash_runs(stream, envelope.signed_file.length, [Track(runs)])[SIGNED]


def whole_file_runs(envelope: Envelope) -> list[Run]:
    """Return the runs for the hashes of the whole file and of its signed part."""
    length, signed_file = envelope.container.length, envelope.signed_file
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
        whole_file_runs(package.envelope),
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
    return [unpacked_entries(package.envelope.container), *(Track(each) for each in runs)]


def _signed_payload(package: Package) -> Track:
    """Return the track of the bytes that the payload signature covers.

    These are header, manifest and data, without the metadata signature.
    """
    payload = package.payload
    blobs = payload.offset + payload.header.blobs_offset
    stop = blobs + payload.blobs_length - payload.manifest.signatures_size
    metadata_end = payload.offset + payload.header.metadata_size
    runs = [Run(payload.offset, metadata_end, _PAYLOAD_SIGNED), Run(blobs, stop, _PAYLOAD_SIGNED)]
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
    check_entries(package.envelope.container, digests)
