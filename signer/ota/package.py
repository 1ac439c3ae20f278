"""Loads the small parts of an OTA package and checks them against each other."""

from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.certificate import Certificate
from signer.ota.container import STORED, Container, load_entry
from signer.ota.errors import ContainerError, MetadataError, PropertiesError
from signer.ota.front import Front
from signer.ota.metadata import PROPERTY_FILES, STREAMING_PROPERTY_FILES, Metadata
from signer.ota.payload import Payload, load_payload
from signer.ota.payload_checks import check_manifest
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
from signer.ota.questions import (
    METADATA_SIGNATURE,
    OFFSETS,
    PARTITION_HASHES,
    PROPERTIES,
    RULES,
    Answered,
    ignore,
)


@dataclass(frozen=True, slots=True)
class Package:
    """What the small parts of an A/B package say, in agreement with each other."""

    front: Front
    properties: PayloadProperties
    payload: Payload


def load_package(
    stream: BinaryIO,
    front: Front,
    answered: Answered = ignore,
    certificate: Certificate | None = None,
) -> Package:
    """Read everything of an A/B package but the payload's data.

    With `certificate` the metadata signature must be by it. `answered` is called with each question
    whose answer is yes. Raises OtaError for the first part that is malformed or contradicts
    another.
    """
    container, metadata = front.container, front.metadata
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
    return Package(front, properties, payload)


def _check_target(metadata: Metadata, payload: Payload) -> None:
    manifest = payload.manifest
    if manifest.is_delta != bool(metadata.source_builds):
        raise MetadataError(
            "The metadata and the payload disagree about whether the package is incremental."
        )
    # A downgrade carries the date of the build it starts from, so that the device lets it pass.
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
                f"{key} has {len(value)} characters; at most {MAX_PROPERTY_FILES} are taken.",
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
