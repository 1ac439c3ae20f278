"""Decodes property files and payload properties, and compares them with the package."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from signer.ota.container import STORED, Container, Entry
from signer.ota.errors import OFFSETS, PropertiesError, show_text
from signer.ota.metadata import METADATA, METADATA_PB

PAYLOAD = "payload.bin"
PAYLOAD_PROPERTIES = "payload_properties.txt"
PAYLOAD_METADATA = "payload_metadata.bin"
METADATA_NAME = "metadata"
# AOSP lists entries by the last part of their names; these are the entries that it means.
_LISTED = {name.rsplit("/", 1)[-1]: name for name in (METADATA, METADATA_PB)} | {
    name: name
    for name in (
        *(PAYLOAD, PAYLOAD_PROPERTIES, "apex_info.pb", "care_map.pb", "care_map.txt"),
        "compatibility.zip",
    )
}
MAX_PROPERTIES = 16 << 10
MAX_PROPERTY_FILES = 1024  # characters, the limit in a signed release
_TOKEN = re.compile(r"([A-Za-z0-9._-]{1,64}):(0|[1-9][0-9]{0,13}):(0|[1-9][0-9]{0,13})")
_LINE = re.compile(r"([A-Z][A-Z0-9_]{0,63})=([\x20-\x7e]{0,512})")
_NUMBER = re.compile(r"[1-9][0-9]{0,13}")
_REQUIRED = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")
# Parameters that a caller passes to update_engine to control an update; harmless to publish.
_STEERING = frozenset(
    {
        *("POWERWASH", "SPL_DOWNGRADE", "SWITCH_SLOT_ON_REBOOT", "RUN_POST_INSTALL"),
        *("DOWNLOAD_RETRY", "VABC_NONE", "DISABLE_VABC", "ENABLE_THREADING", "BATCHED_WRITES"),
    }
)
# Parameters that would make a phone send data about itself or its network with the download.
_REVEALING = frozenset({"AUTHORIZATION", "USER_AGENT", "NETWORK_ID", "NETWORK_PROXY"})


@dataclass(frozen=True, slots=True)
class Span:
    """A run of bytes of the package: offset and size."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class PayloadProperties:
    """`payload_properties.txt`: the hashes are 32 bytes; `values` holds every line.

    `unknown` names the unknown properties, for example `property-EXTRA`.
    """

    file_hash: bytes
    file_size: int
    metadata_hash: bytes
    metadata_size: int
    values: Mapping[str, str]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of unknown properties; a phone gets only the four known ones."""
        names = self.values.keys() - _STEERING - set(_REQUIRED)
        return tuple(f"property-{name}" for name in sorted(names))


def decode_property_files(value: str, key: str) -> dict[str, Span]:
    """Decode `name:offset:size,…`; raises PropertiesError for a malformed or repeated token."""
    spans: dict[str, Span] = {}
    for token in value.rstrip(" ").split(","):
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise PropertiesError(
                f"{key} has {show_text(token)}, which is not name:offset:size.", OFFSETS
            )
        if match[1] in spans:
            raise PropertiesError(f"{key} names {match[1]} twice.", OFFSETS)
        spans[match[1]] = Span(int(match[2]), int(match[3]))
    return spans


def check_property_files(
    spans: Mapping[str, Span], key: str, container: Container, metadata_length: int
) -> None:
    """Raise PropertiesError unless every span is exactly the stored entry it names.

    `metadata_length` is the length of the payload's header, manifest and metadata signature. These
    bytes are listed as `payload_metadata.bin`, although that is not an entry.
    """
    for required in (PAYLOAD, PAYLOAD_PROPERTIES, METADATA_NAME):
        if required not in spans:
            raise PropertiesError(f"{key} does not name {required}.", OFFSETS)
    metadata = Span(container.entry(PAYLOAD).offset, metadata_length)
    check_spans(spans, key, container, metadata)


def check_spans(
    spans: Mapping[str, Span], key: str, container: Container, metadata: Span | None = None
) -> None:
    """Raise PropertiesError unless every span is exactly the stored entry it names.

    Each of AOSP's names means one fixed entry, even if the name occurs elsewhere. Any other name
    must be the last part of exactly one stored entry. `metadata` is the span that is listed as
    `payload_metadata.bin`.
    """
    stored = _stored_by_last_part(container)
    for name, span in spans.items():
        if name == PAYLOAD_METADATA and metadata is not None:
            truth = metadata
        else:
            truth = _find_stored(name, key, stored)
        if span != truth:
            raise PropertiesError(
                f"{key} says {name} is {span.size} bytes at {span.offset}, "
                f"but it is {truth.size} bytes at {truth.offset}.",
                OFFSETS,
            )


def _stored_by_last_part(container: Container) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in container.entries.values():
        if entry.method == STORED:
            found.setdefault(entry.name.rsplit("/", 1)[-1], []).append(entry)
    return found


def _find_stored(name: str, key: str, stored: Mapping[str, list[Entry]]) -> Span:
    found = stored.get(name, [])
    if name in _LISTED:
        found = [each for each in found if each.name == _LISTED[name]]
    if not found:
        raise PropertiesError(f"{key} names {name}, which is not stored in the package.", OFFSETS)
    if len(found) > 1:
        raise PropertiesError(
            f"{key} names {name}, which is the last part of several entries' names.", OFFSETS
        )
    return Span(found[0].offset, found[0].size)


def decode_payload_properties(raw: bytes) -> PayloadProperties:
    """Decode `payload_properties.txt`; raises PropertiesError for a forbidden line."""
    if len(raw) > MAX_PROPERTIES:
        raise PropertiesError("payload_properties.txt is larger than 16 KiB.")
    values: dict[str, str] = {}
    for line in raw.decode("latin-1").removesuffix("\n").split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            raise PropertiesError("payload_properties.txt has a line that is not KEY=value.")
        _check_key(match[1])
        if match[1] in values:
            raise PropertiesError(f"payload_properties.txt has {match[1]} twice.")
        values[match[1]] = match[2]
    for key in _REQUIRED:
        if key not in values:
            raise PropertiesError(f"payload_properties.txt lacks {key}.")
    return PayloadProperties(
        _hash(values, "FILE_HASH"),
        _size(values, "FILE_SIZE"),
        _hash(values, "METADATA_HASH"),
        _size(values, "METADATA_SIZE"),
        values,
    )


def _check_key(key: str) -> None:
    if key in _REVEALING:
        raise PropertiesError(
            f"payload_properties.txt has {key}, which would say something about the phone."
        )


def _hash(values: Mapping[str, str], key: str) -> bytes:
    try:
        digest = base64.b64decode(values[key], validate=True)
    except (binascii.Error, ValueError) as error:
        raise PropertiesError(f"{key} in payload_properties.txt is not base64.") from error
    if len(digest) != 32 or base64.b64encode(digest).decode() != values[key]:
        raise PropertiesError(f"{key} in payload_properties.txt is not a SHA-256 in base64.")
    return digest


def _size(values: Mapping[str, str], key: str) -> int:
    if _NUMBER.fullmatch(values[key]) is None:
        raise PropertiesError(f"{key} in payload_properties.txt is not a size.")
    return int(values[key])
