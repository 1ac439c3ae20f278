"""Opens an OTA zip by the ranges that the signed release states.

The zip's own directory is never read, because a streaming phone does not have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.errors import PackageError
from client_sim.engine.manifest_checks import Note, Rules, note_nothing
from client_sim.engine.package_metadata import (
    MAX_METADATA_BYTES,
    FileRange,
    PackageMetadata,
    PayloadProperties,
    decode_metadata,
    decode_payload_properties,
    decode_property_files,
)
from client_sim.engine.payload import (
    Payload,
    PayloadFile,
    PayloadHeader,
    Readable,
    decode_header,
    load_payload,
)
from client_sim.engine.signatures import (
    MAX_TAIL_BYTES,
    find_signed_length,
    verify_metadata_signature,
    verify_payload_signature,
    verify_whole_file,
)

_SIGNATURE: Final = b"PK\x03\x04"
_FIXED_SIZE: Final = 30
# Aligned entries have extra fields of up to one 4 KiB page.
_MAX_EXTRA: Final = 8192
_ENCRYPTED: Final = 0x0001
_SIZES_FOLLOW: Final = 0x0008
_IN_ZIP64: Final = 0xFFFFFFFF


def check_stored_entry(file: Readable, name: str, offset: int, size: int) -> None:
    """Check that `size` bytes at `offset` of a zip are the stored entry with the path `name`.

    Raises PackageError unless a matching local header ends at `offset`.
    """
    encoded = name.encode()
    start = max(0, offset - _FIXED_SIZE - len(encoded) - _MAX_EXTRA)
    file.seek(start)
    before = file.read(offset - start)
    for extra in range(len(before) - _FIXED_SIZE - len(encoded) + 1):
        header = before[len(before) - extra - len(encoded) - _FIXED_SIZE :]
        if header.startswith(_SIGNATURE) and _is_header(header, encoded, extra, size):
            return
    raise PackageError(f"The package does not hold {name} where it says, or not uncompressed.")


def _is_header(header: bytes, name: bytes, extra: int, size: int) -> bool:
    """Tell whether `header` is a local header for `size` with `extra` bytes after its name."""
    flags = _integer(header, 6, 2)
    compressed, uncompressed = _integer(header, 18, 4), _integer(header, 22, 4)
    if compressed == uncompressed == _IN_ZIP64:
        uncompressed, compressed = _find_zip64_sizes(header[_FIXED_SIZE + len(name) :])
    return (
        flags & (_ENCRYPTED | _SIZES_FOLLOW) == 0
        and _integer(header, 8, 2) == 0
        and compressed == uncompressed == size
        and _integer(header, 26, 2) == len(name)
        and _integer(header, 28, 2) == extra
        and header[_FIXED_SIZE : _FIXED_SIZE + len(name)] == name
    )


def _find_zip64_sizes(extra: bytes) -> tuple[int, int]:
    """Return the uncompressed and compressed size in a zip64 field, or (-1, -1) without one."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = _integer(extra, position, 2), _integer(extra, position + 2, 2)
        if kind == 1 and length >= 16 and position + 20 <= len(extra):
            return _integer(extra, position + 4, 8), _integer(extra, position + 12, 8)
        position += 4 + length
    return -1, -1


def _integer(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")


PAYLOAD: Final = "payload.bin"
_PAYLOAD_METADATA: Final = "payload_metadata.bin"
_PROPERTIES: Final = "payload_properties.txt"
_METADATA: Final = "metadata"

# Property files use only the last component of an entry's path.
_METADATA_PATH: Final = "META-INF/com/android/metadata"
_MAX_PROPERTIES_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a package's parts, as the signed release states them; `length` in bytes."""

    parts: Mapping[str, FileRange]
    properties: PayloadProperties
    length: int

    @property
    def payload(self) -> FileRange:
        """The place of the payload."""
        return self.parts[PAYLOAD]

    @property
    def metadata(self) -> FileRange:
        """The place of the text metadata."""
        return self.parts[_METADATA]


@dataclass(frozen=True, slots=True)
class Package:
    """An OTA zip whose parts are where the release says; its payload has not been read yet."""

    payload_file: PayloadFile
    layout: Layout
    metadata: PackageMetadata


def decode_layout(
    property_files: str, payload_properties: Mapping[str, str], length: int
) -> Layout:
    """Decode the places of a package's parts; `length` is the package's. Raises PackageError.

    `property_files` is the release's streaming property-files string, `payload_properties` its
    payload properties.
    """
    parts = decode_property_files(property_files)
    properties = decode_payload_properties(payload_properties)
    for name in (PAYLOAD, _PROPERTIES, _METADATA):
        if name not in parts:
            raise PackageError(f"The list of the package's parts does not name {name}.")
    for name, part in parts.items():
        if part.offset + part.size > length:
            raise PackageError(f"The package ends before its part {name} does.")
    payload, head = parts[PAYLOAD], parts.get(_PAYLOAD_METADATA)
    if payload.size != properties.file_size:
        raise PackageError("The payload's size is not the one of the payload properties.")
    if head is not None and (head.offset != payload.offset or head.size > payload.size):
        raise PackageError("The payload's metadata does not lie at the start of the payload.")
    return Layout(parts, properties, length)


def open_package(
    file: Readable,
    *,
    property_files: str,
    payload_properties: Mapping[str, str],
    note: Note = note_nothing,
) -> Package:
    """Locate the parts of the OTA zip in `file`, which must be seekable and is not closed.

    Raises PackageError if a part is missing, misplaced or compressed, or contradicts the
    properties.
    """
    note(Rules.FILES)
    layout = decode_layout(property_files, payload_properties, file.seek(0, 2))
    package = open_prefix(file, layout, note)
    check_properties(file, layout, note)
    return package


def open_prefix(file: Readable, layout: Layout, note: Note = note_nothing) -> Package:
    """Do those checks of `open_package` that need only the bytes before the payload's data."""
    payload = layout.payload
    note(Rules.FILES)
    check_stored_entry(file, PAYLOAD, payload.offset, payload.size)
    note(Rules.METADATA)
    metadata = _read_entry(file, _METADATA_PATH, layout.metadata, MAX_METADATA_BYTES)
    return Package(
        PayloadFile(file, payload.offset, payload.size), layout, decode_metadata(metadata)
    )


def check_properties(file: Readable, layout: Layout, note: Note) -> None:
    """Check that the package's payload_properties.txt has the signed values.

    Raises PackageError.
    """
    note(Rules.PROPERTIES)
    data = _read_entry(file, _PROPERTIES, layout.parts[_PROPERTIES], _MAX_PROPERTIES_BYTES)
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise PackageError("The package's payload_properties.txt is not text.") from None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if decode_payload_properties(values) != layout.properties:
        raise PackageError("The package's payload_properties.txt is not what the release states.")


def load_verified_payload(
    package: Package, key: rsa.RSAPublicKey, note: Note = note_nothing
) -> Payload:
    """Read the package's payload and check its hashes, its signatures and its manifest.

    Raises SignatureError if it is not signed by `key`, PackageError if another check fails.
    """
    # The hash is checked first, so that only bytes that it covers are parsed.
    payload_file = package.payload_file
    header = check_payload_metadata(package, key, note)
    if payload_file.hash_ranges((0, payload_file.size)) != package.layout.properties.file_hash:
        raise PackageError("The payload does not have the hash FILE_HASH.")
    payload = load_payload(payload_file, header, note)
    note(Rules.SIGNATURES)
    verify_payload_signature(payload, key)
    return payload


def check_payload_metadata(package: Package, key: rsa.RSAPublicKey, note: Note) -> PayloadHeader:
    """Check header, sizes, METADATA_HASH and metadata signature, before the manifest is parsed.

    This needs no bytes after the metadata signature. Raises like `load_verified_payload`.
    """
    payload_file, properties = package.payload_file, package.layout.properties
    # Sizes are checked before they are used for reading.
    note(Rules.HEADER)
    header = decode_header(payload_file)
    if header.metadata_size != properties.metadata_size:
        raise PackageError(
            "The payload's METADATA_SIZE is not the size of its header and manifest."
        )
    part = package.layout.parts.get(_PAYLOAD_METADATA)
    if part is not None and part.size != header.blobs_offset:
        raise PackageError("The payload's metadata is not as long as payload_metadata.bin.")
    if payload_file.hash_ranges((0, header.metadata_size)) != properties.metadata_hash:
        raise PackageError("The payload's header and manifest do not have the hash METADATA_HASH.")
    note(Rules.SIGNATURES)
    verify_metadata_signature(payload_file, header, key)
    return header


def _read_entry(file: Readable, path: str, part: FileRange, limit: int) -> bytes:
    if part.size > limit:
        raise PackageError(f"The package's {path} is too long.")
    check_stored_entry(file, path, part.offset, part.size)
    file.seek(part.offset)
    return file.read(part.size)


def verify_package_signature(file: Readable, key: rsa.RSAPublicKey) -> None:
    """Verify the whole-file signature of the OTA zip in `file`.

    Raises SignatureError unless `key` signed it, PackageError if the signature is malformed.
    """
    length = file.seek(0, 2)
    tail_offset = max(0, length - MAX_TAIL_BYTES)
    file.seek(tail_offset)
    tail = file.read()
    signed = find_signed_length(tail, length)
    digest = PayloadFile(file, 0, length).hash_ranges((0, signed))
    verify_whole_file(tail, digest, key)
