"""An OTA zip that has been downloaded, opened by the ranges that the signed release states.

The zip's own directory is never read: a phone that streams does not have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.errors import PackageError
from client_sim.engine.package_metadata import (
    MAX_METADATA_BYTES,
    PackageMetadata,
    decode_metadata,
)
from client_sim.engine.payload import Payload, PayloadFile, decode_header, load_payload
from client_sim.engine.property_files import (
    FileRange,
    PayloadProperties,
    decode_payload_properties,
    decode_property_files,
)
from client_sim.engine.signatures import verify_metadata_signature, verify_payload_signature
from client_sim.engine.zip_entry import check_stored_entry

_PAYLOAD: Final = "payload.bin"
_PAYLOAD_METADATA: Final = "payload_metadata.bin"
_PROPERTIES: Final = "payload_properties.txt"
_METADATA: Final = "metadata"

# Property files name an entry by the last part of its path.
_METADATA_PATH: Final = "META-INF/com/android/metadata"
_MAX_PROPERTIES_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """An OTA zip whose parts lie where the release says; its payload has not been looked at yet.

    `payload_metadata_size` is the size of `payload_metadata.bin` in bytes, None where the release
    does not list it, as in AOSP's own streaming string.
    """

    payload_file: PayloadFile
    payload_metadata_size: int | None
    properties: PayloadProperties
    metadata: PackageMetadata


def open_package(
    file: BinaryIO, *, property_files: str, payload_properties: Mapping[str, str]
) -> Package:
    """Locate the parts of the OTA zip in `file`, which must be seekable and is not closed.

    `property_files` is the release's streaming property-files string, `payload_properties` its
    payload properties. Raises PackageError if a part is missing, lies elsewhere, is compressed,
    or contradicts the properties.
    """
    ranges = decode_property_files(property_files)
    properties = decode_payload_properties(payload_properties)
    length = file.seek(0, 2)
    for name in (_PAYLOAD, _PROPERTIES, _METADATA):
        if name not in ranges:
            raise PackageError(f"The list of the package's parts does not name {name}.")
    for name, part in ranges.items():
        if part.offset + part.size > length:
            raise PackageError(f"The package ends before its part {name} does.")
    payload, head = ranges[_PAYLOAD], ranges.get(_PAYLOAD_METADATA)
    check_stored_entry(file, _PAYLOAD, payload.offset, payload.size)
    if payload.size != properties.file_size:
        raise PackageError("The payload's size is not the one of the payload properties.")
    if head is not None and (head.offset != payload.offset or head.size > payload.size):
        raise PackageError("The payload's metadata does not lie at the start of the payload.")
    _check_properties(
        _read_entry(file, _PROPERTIES, ranges[_PROPERTIES], _MAX_PROPERTIES_BYTES), properties
    )
    metadata = _read_entry(file, _METADATA_PATH, ranges[_METADATA], MAX_METADATA_BYTES)
    return Package(
        payload_file=PayloadFile(file, payload.offset, payload.size),
        payload_metadata_size=None if head is None else head.size,
        properties=properties,
        metadata=decode_metadata(metadata),
    )


def load_verified_payload(package: Package, key: rsa.RSAPublicKey) -> Payload:
    """Read the package's payload and check its hashes, its signatures and its manifest.

    Raises SignatureError if it is not signed by `key`, PackageError if anything else is wrong
    with it.
    """
    # 1. Sizes, before anything is read by them.
    payload_file, properties = package.payload_file, package.properties
    header = decode_header(payload_file)
    if header.metadata_size != properties.metadata_size:
        raise PackageError(
            "The payload's METADATA_SIZE is not the size of its header and manifest."
        )
    if package.payload_metadata_size not in {None, header.blobs_offset}:
        raise PackageError("The payload's metadata is not as long as payload_metadata.bin.")
    # 2. Hashes and the metadata signature, before the manifest is parsed.
    if payload_file.hash_ranges((0, header.metadata_size)) != properties.metadata_hash:
        raise PackageError("The payload's header and manifest do not have the hash METADATA_HASH.")
    verify_metadata_signature(payload_file, header, key)
    if payload_file.hash_ranges((0, payload_file.size)) != properties.file_hash:
        raise PackageError("The payload does not have the hash FILE_HASH.")
    # 3. The manifest, then the signature whose place it names.
    payload = load_payload(payload_file, header)
    verify_payload_signature(payload, key)
    return payload


def _read_entry(file: BinaryIO, path: str, part: FileRange, limit: int) -> bytes:
    if part.size > limit:
        raise PackageError(f"The package's {path} is too long.")
    check_stored_entry(file, path, part.offset, part.size)
    file.seek(part.offset)
    return file.read(part.size)


def _check_properties(data: bytes, expected: PayloadProperties) -> None:
    """Check that the properties inside the package are the signed ones."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise PackageError("The package's payload_properties.txt is not text.") from None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if decode_payload_properties(values) != expected:
        raise PackageError("The package's payload_properties.txt is not what the release states.")
