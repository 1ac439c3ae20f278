"""Reads the zip around an OTA package so strictly that no two readers can disagree about it."""

import zlib
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota import zip_records
from signer.ota.errors import (
    RULES,
    ContainerError,
    MetadataError,
    SignatureError,
    show_name,
    show_names,
)
from signer.ota.metadata import (
    MAX_METADATA,
    MAX_METADATA_PB,
    METADATA,
    METADATA_PB,
    Metadata,
    check_agreement,
    decode_pb,
    decode_text,
)
from signer.ota.signatures import (
    Certificate,
    SignedFile,
    decode_certificate,
    decode_comment,
    verify_cms,
)

STORED, DEFLATED = 0, 8
MAX_ENTRIES = 1024
MAX_DIRECTORY = 1 << 20
MAX_PACKAGE = 64 << 30
MAX_RATIO = 200
# A phone searches for a local header in this many bytes before the data; alignment needs a page.
MAX_EXTRA = 8192
_MAX_COMMENT = 0xFFFF
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x0001, 0x0008, 0x0800
_DEFLATE_HINTS = 0x0006
_DOS, _UNIX = 0, 3
_DOS_FOLDER, _DOS_HARMLESS = 0x10, 0x21  # read-only and archive
_FILE, _FOLDER = 0o100000, 0o040000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its packed data are `packed_size` bytes at `offset` of the file.

    `is_uneven`: its extra fields differ in length between directory and local header.
    """

    name: str
    method: int
    offset: int
    packed_size: int
    size: int
    crc: int
    is_uneven: bool = False

    @property
    def shown(self) -> str:
        """The name as messages show it."""
        return show_name(self.name)


@dataclass(frozen=True, slots=True)
class Container:
    """A zip's entries by name, its length in bytes and its comment."""

    entries: dict[str, Entry]
    length: int
    comment: bytes

    def entry(self, name: str) -> Entry:
        """Return the entry of that name; raises ContainerError when there is none."""
        if name not in self.entries:
            raise ContainerError(f"The package has no {name}.", RULES)
        return self.entries[name]


def _read_at(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _load_end(stream: BinaryIO, length: int) -> tuple[zip_records.End, int, bytes]:
    """Return the end record, the offset where the directory must end, and the comment."""
    start = max(0, length - zip_records.END_LENGTH - _MAX_COMMENT)
    tail = _read_at(stream, start, length - start)
    at = tail.rfind(zip_records.END_MAGIC)
    if at < 0:
        raise ContainerError("The file is not a zip, or it is cut off before its end.")
    comment = tail[at + zip_records.END_LENGTH :]
    end = zip_records.decode_end(tail[at : at + zip_records.END_LENGTH])
    if int.from_bytes(tail[at + 20 : at + 22], "little") != len(comment):
        raise ContainerError("The zip's comment is not as long as its end record says.")
    limit = start + at
    locator = _read_at(
        stream, max(0, limit - zip_records.LOCATOR_LENGTH), min(limit, zip_records.LOCATOR_LENGTH)
    )
    # Some writers add zip64 records to zips that do not need them, and readers then use them.
    if not zip_records.is_zip64(end) and not locator.startswith(zip_records.LOCATOR_MAGIC):
        return end, limit, comment
    end_offset = zip_records.decode_locator(locator)
    if end_offset != limit - zip_records.LOCATOR_LENGTH - zip_records.END64_LENGTH:
        raise ContainerError("The zip's zip64 end record is not where its locator must point.")
    end64 = zip_records.decode_end64(_read_at(stream, end_offset, zip_records.END64_LENGTH))
    zip_records.check_ends_agree(end, end64)
    return end64, end_offset, comment


def load_container(stream: BinaryIO, length: int) -> Container:
    """Read the directory and every local header of a zip of `length` bytes.

    Raises ContainerError for anything that is not one plain zip: exceeded limits, path traversal in
    names, duplicates, encryption, local headers that disagree, overlaps, stray bytes.
    """
    if length > MAX_PACKAGE:
        raise ContainerError(
            f"The file is larger than {MAX_PACKAGE >> 30} GiB, the largest size allowed."
        )
    end, limit, comment = _load_end(stream, length)
    if end.entries > MAX_ENTRIES:
        raise ContainerError(
            f"The zip has {end.entries} entries; at most {MAX_ENTRIES} are allowed."
        )
    if end.size > MAX_DIRECTORY:
        raise ContainerError("The zip's central directory is larger than 1 MiB.")
    if end.offset + end.size != limit:
        raise ContainerError("The zip's central directory is not where its end record says.")
    headers = zip_records.decode_directory(_read_at(stream, end.offset, end.size), end.entries)
    entries = _load_entries(stream, headers, end.offset)
    return Container(entries, length, comment)


def _load_entries(
    stream: BinaryIO, headers: list[zip_records.Header], limit: int
) -> dict[str, Entry]:
    """Read the local headers in file order; the entries must fill the file up to `limit`."""
    zip_records.check_names([zip_records.check_name(header.name) for header in headers])
    entries: dict[str, Entry] = {}
    at = 0
    for header in sorted(headers, key=lambda each: each.offset):
        name = header.name.decode("ascii")
        _check_header(header, name)
        _check_start(header.offset, at, show_name(name))
        entry = _load_entry(stream, header, name)
        at = entry.offset + entry.packed_size
        if at > limit:
            raise ContainerError(
                f"The zip entry {show_name(name)} runs into the central directory."
            )
        if header.flags & _DESCRIPTOR:
            if not _read_at(stream, at, zip_records.MAX_DESCRIPTOR).startswith(
                zip_records.descriptor(header)
            ):
                raise ContainerError(
                    f"The zip entry {show_name(name)} announces a data descriptor and has none."
                )
            at += len(zip_records.descriptor(header))
        entries[name] = entry
    _check_start(limit, at, "its central directory")
    return entries


def _check_start(start: int, at: int, label: str) -> None:
    if start < at:
        raise ContainerError(f"The zip entry before {label} overlaps it.")
    if start > at:
        raise ContainerError(f"The zip has bytes before {label} that belong to no entry.")


def _check_header(header: zip_records.Header, name: str) -> None:
    if header.flags & _ENCRYPTED:
        raise ContainerError(f"The zip entry {show_name(name)} is encrypted.")
    if header.flags & ~(_DESCRIPTOR | _UTF8 | _DEFLATE_HINTS):
        raise ContainerError(f"The zip entry {show_name(name)} has flags that no package uses.")
    if header.method not in {STORED, DEFLATED}:
        raise ContainerError(
            f"The zip entry {show_name(name)} uses compression method {header.method}."
        )
    if header.method == STORED and header.flags & _DESCRIPTOR:
        raise ContainerError(
            f"The zip entry {show_name(name)} is stored and has its sizes after its data, where no"
            " streaming reader finds them."
        )
    if name.endswith("/") and header.packed_size:
        raise ContainerError(f"The zip entry {show_name(name)} is a folder but has data.")
    _check_attributes(header, name)
    if header.method == STORED and header.packed_size != header.size:
        raise ContainerError(
            f"The zip entry {show_name(name)} is stored but has two different sizes."
        )
    if header.size > MAX_PACKAGE:
        raise ContainerError(
            f"The zip entry {show_name(name)} claims to be {header.size} bytes long."
        )
    if header.size > MAX_RATIO * max(header.packed_size, 64):
        raise ContainerError(
            f"The zip entry {show_name(name)} would grow more than {MAX_RATIO} times."
        )


def _check_attributes(header: zip_records.Header, name: str) -> None:
    """Check that the entry is a plain file or folder on every system."""
    is_folder = name.endswith("/")
    mode, dos = header.attributes >> 16, header.attributes & 0xFFFF
    modes = {0, _FOLDER if is_folder else _FILE}
    if header.host not in {_DOS, _UNIX} or mode & ~0o777 not in modes:
        raise ContainerError(
            f"The zip entry {show_name(name)} is neither a plain file nor a folder."
        )
    if dos & ~(_DOS_HARMLESS | (_DOS_FOLDER if is_folder else 0)):
        raise ContainerError(
            f"The zip entry {show_name(name)} has attributes that no package needs."
        )


def _load_entry(stream: BinaryIO, header: zip_records.Header, name: str) -> Entry:
    """Read the local header, which must agree with the directory."""
    start = _read_at(stream, header.offset, zip_records.LOCAL_LENGTH)
    tail = zip_records.local_tail_length(start)
    local = zip_records.decode_local(start + stream.read(tail))
    sizes = (local.crc, local.packed_size, local.size)
    # Streaming readers disagree whether a zip64 field of zeros makes the data descriptor a wide
    # one.
    deferred = header.flags & _DESCRIPTOR and sizes == (0, 0, 0) and not local.has_wide_sizes
    needed = max(header.needed, local.needed)
    if needed > zip_records.MAX_VERSION:
        raise ContainerError(
            f"The zip entry {show_name(name)} needs version {needed} of the zip format; at most"
            f" {zip_records.MAX_VERSION} is allowed."
        )
    if local.extra_length > MAX_EXTRA:
        raise ContainerError(
            f"The zip entry {show_name(name)} has extra fields of {local.extra_length} bytes;"
            f" at most {MAX_EXTRA} are allowed."
        )
    same = (
        (local.name, local.written) == (header.name, header.written)
        and (deferred or local.has_wide_sizes == header.has_wide_sizes)
        and (local.flags, local.method) == (header.flags, header.method)
        and (deferred or sizes == (header.crc, header.packed_size, header.size))
    )
    if not same:
        raise ContainerError(
            f"The zip's directory and local header disagree about {show_name(name)}."
        )
    offset = header.offset + zip_records.LOCAL_LENGTH + tail
    return Entry(
        name,
        header.method,
        offset,
        header.packed_size,
        header.size,
        header.crc,
        local.extra_length != header.extra_length,
    )


def load_entry(stream: BinaryIO, entry: Entry, limit: int) -> bytes:
    """Return an entry's unpacked bytes, checked against size and CRC; at most `limit` bytes."""
    size = max(entry.size, entry.packed_size)
    if size > limit:
        raise ContainerError(f"{entry.shown} is {size} bytes long; at most {limit} are allowed.")
    packed = _read_at(stream, entry.offset, entry.packed_size)
    data = packed if entry.method == STORED else _inflate(packed, entry)
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise ContainerError(
            f"The bytes of {entry.shown} do not match the zip's size and checksum."
        )
    return data


def _inflate(packed: bytes, entry: Entry) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than the announced size is enough to detect a longer entry.
        data = inflate.decompress(packed, entry.size + 1)
    except zlib.error as error:
        raise ContainerError(f"The zip entry {entry.shown} cannot be unpacked.") from error
    if not inflate.eof or inflate.unused_data:
        raise ContainerError(f"The zip entry {entry.shown} does not end where the zip says.")
    return data


OTACERT = "META-INF/com/android/otacert"
MAX_OTHER = 16 << 20


@dataclass(frozen=True, slots=True)
class Envelope:
    """A package's zip and its metadata.

    `unknown` names the parts of either metadata form that this version does not know. `signed_file`
    is None when the package has no whole-file signature.
    """

    container: Container
    metadata: Metadata
    unknown: tuple[str, ...]
    signed_file: SignedFile | None

    @property
    def has_metadata_pb(self) -> bool:
        """Whether the metadata exists in both forms."""
        return METADATA_PB in self.container.entries


def load_envelope(stream: BinaryIO, container: Container, codename: str | None) -> Envelope:
    """Read the metadata; with `codename`, the package must be for that device.

    Raises OtaError for the first part that is malformed or contradicts another.
    """
    metadata = decode_text(load_entry(stream, container.entry(METADATA), MAX_METADATA))
    unknown = metadata.unknown
    if METADATA_PB in container.entries:  # packages made before Android 12 have none
        binary = decode_pb(load_entry(stream, container.entries[METADATA_PB], MAX_METADATA_PB))
        check_agreement(metadata, binary)
        unknown += binary.unknown
    if codename is not None and codename not in metadata.devices:
        raise MetadataError(
            f"The package is for {show_names(metadata.devices)}, not for {codename}."
        )
    return Envelope(
        container, metadata, unknown, decode_comment(container.comment, container.length)
    )


def check_otacert(stream: BinaryIO, container: Container, certificate: Certificate) -> None:
    """Raise SignatureError when the package encloses another certificate than the given one."""
    if OTACERT in container.entries:
        enclosed = decode_certificate(load_entry(stream, container.entries[OTACERT], MAX_OTHER))
        if enclosed.der != certificate.der:
            raise SignatureError("The package's otacert is another certificate than the given one.")


def verify_whole_file(
    signed_file: SignedFile | None, digest: bytes, certificate: Certificate
) -> None:
    """Raise SignatureError unless the whole-file signature over `digest` is the certificate's."""
    if signed_file is None:
        raise SignatureError("The package has no whole-file signature.")
    verify_cms(signed_file.cms, digest, certificate)
