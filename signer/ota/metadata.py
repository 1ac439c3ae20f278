"""Decodes the metadata of an OTA package, as text and as protobuf."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date

from server.core.encodings import MAX_INTEGER
from signer.ota import schemas
from signer.ota.errors import NO_SERIAL, MetadataError, UnsupportedError, show_text
from signer.ota.protobuf import MAX_UNKNOWN, Message, decode_message

METADATA = "META-INF/com/android/metadata"
AB, BLOCK = "AB", "BLOCK"
METADATA_PB = "META-INF/com/android/metadata.pb"
# A phone accepts no longer text, since it keeps it in memory. It does not read metadata.pb.
MAX_METADATA, MAX_METADATA_PB = 64 << 10, 1 << 20
_MAX_FINGERPRINT, _MAX_INCREMENTAL, _MAX_SOURCES = 128, 64, 8
_MAX_DEVICES = 64
PROPERTY_FILES = "ota-property-files"
STREAMING_PROPERTY_FILES = "ota-streaming-property-files"
_FILES = "-property-files"
_TYPES = {0: "UNKNOWN", 1: "AB", 2: "BLOCK", 3: "BRICK"}
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9._-]{0,63})=([\x20-\x7e]*)")
_KEYS = frozenset(
    {
        *("ota-type", "ota-required-cache", "ota-wipe", "ota-downgrade", "spl-downgrade"),
        *("ota-retrofit-dynamic-partitions", "pre-device", "pre-build", "pre-build-incremental"),
        *("post-build", "post-build-incremental", "post-timestamp", "post-sdk-level"),
        *("post-security-patch-level", PROPERTY_FILES, STREAMING_PROPERTY_FILES),
    }
)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PRINTABLE = re.compile(r"[\x21-\x7b\x7d\x7e]+")  # without the bar that joins lists


@dataclass(frozen=True, slots=True)
class Metadata:
    """The package's own description; `post_timestamp` is in epoch seconds.

    `property_files` holds the values by key, without their padding. `unknown` names parts that this
    version does not know, for example `metadata-new-flag` or `metadata-pb-field-10`. An old
    block-based package may lack patch level (then empty) and SDK level (then 0).
    """

    ota_type: str
    devices: tuple[str, ...]
    source_builds: tuple[str, ...]
    source_incrementals: tuple[str, ...]
    fingerprint: str
    incremental: str
    post_timestamp: int
    sdk_level: int
    security_patch_level: str
    wipe: bool
    downgrade: bool
    spl_downgrade: bool
    retrofit_dynamic_partitions: bool
    required_cache: int
    property_files: Mapping[str, str]
    unknown: tuple[str, ...] = field(default=(), compare=False)


def decode_text(raw: bytes) -> Metadata:
    """Decode the `key=value` lines of `metadata`; raises MetadataError when they are invalid."""
    values = _lines(raw)
    if "serialno" in values:
        raise MetadataError(
            "The package is bound to the serial numbers of single phones (serialno).", NO_SERIAL
        )
    return _checked(
        Metadata(
            ota_type=values.get("ota-type", ""),
            devices=_split(values, "pre-device"),
            source_builds=_split(values, "pre-build"),
            source_incrementals=_split(values, "pre-build-incremental"),
            fingerprint=values.get("post-build", ""),
            incremental=values.get("post-build-incremental", ""),
            post_timestamp=_number(values.get("post-timestamp", ""), "post-timestamp"),
            sdk_level=_sdk_level(values.get("post-sdk-level", ""), values.get("ota-type", "")),
            security_patch_level=values.get("post-security-patch-level", ""),
            wipe=_yes(values, "ota-wipe"),
            downgrade=_yes(values, "ota-downgrade"),
            spl_downgrade=_yes(values, "spl-downgrade"),
            retrofit_dynamic_partitions=_yes(values, "ota-retrofit-dynamic-partitions"),
            required_cache=_number(values.get("ota-required-cache", "0"), "ota-required-cache"),
            property_files={
                key: value.rstrip(" ") for key, value in values.items() if key.endswith(_FILES)
            },
            unknown=_unknown(
                f"metadata-{key}" for key in values.keys() - _KEYS if not key.endswith(_FILES)
            ),
        )
    )


def decode_pb(raw: bytes) -> Metadata:
    """Decode `metadata.pb`, an `OtaMetadata` message; raises MetadataError when it is invalid."""
    if len(raw) > MAX_METADATA_PB:
        raise MetadataError("metadata.pb is larger than 1 MiB.")
    message = decode_message(
        raw, schemas.METADATA, lambda fault: MetadataError(f"metadata.pb is malformed: {fault}.")
    )
    before, after = message.message(5), message.message(6)
    nested = _check_states(before, after)
    kind = message.integer(1)
    return _checked(
        Metadata(
            ota_type=_TYPES.get(kind, str(kind)),
            devices=before.all_text(1),
            source_builds=before.all_text(2),
            source_incrementals=_listed(before.text(3)),
            fingerprint="|".join(after.all_text(2)),
            incremental=after.text(3),
            post_timestamp=after.signed(4),
            sdk_level=_sdk_level(after.text(5), _TYPES.get(kind, "")),
            security_patch_level=after.text(6),
            wipe=message.flag(2),
            downgrade=message.flag(3),
            spl_downgrade=message.flag(9),
            retrofit_dynamic_partitions=message.flag(7),
            required_cache=message.signed(8),
            property_files=_property_files(message),
            unknown=_unknown(
                f"metadata-pb-{kind}field-{number}"
                for kind, numbers in (
                    ("", message.unknown),
                    ("precondition-", before.unknown),
                    ("postcondition-", after.unknown),
                    ("state-", nested),
                )
                for number in numbers
            ),
        )
    )


def _check_states(before: Message, after: Message) -> set[int]:
    """Check that the members without a counterpart in the text form add nothing to that form.

    Returns the unknown fields of the states of partitions.
    """
    if any(before.has(number) for number in (4, 5, 6)):
        raise MetadataError(
            "metadata.pb has a time, SDK level or patch level that the package starts from;"
            " only builds are known."
        )
    devices = after.all_text(1)
    if devices and devices != before.all_text(1):
        raise MetadataError("metadata.pb says that the package turns one device into another.")
    return {*before.check(7), *after.check(7)}


def check_agreement(text: Metadata, binary: Metadata) -> None:
    """Raise MetadataError naming the first difference between the two forms."""
    for name in [each.name for each in fields(Metadata) if each.compare]:
        ours, theirs = getattr(text, name), getattr(binary, name)
        if ours != theirs and name == "property_files":
            raise MetadataError("metadata and metadata.pb disagree about the property files.")
        if ours != theirs:
            raise MetadataError(
                f"metadata and metadata.pb disagree about {name}:"
                f" {_show(ours)} and {_show(theirs)}."
            )


def _show(value: object) -> str:
    # Builds and devices consist of printable characters.
    return show_text(value if isinstance(value, str) else repr(value))


def _lines(raw: bytes) -> dict[str, str]:
    if len(raw) > MAX_METADATA:
        raise MetadataError("The metadata is larger than 64 KiB.")
    values: dict[str, str] = {}
    for number, line in enumerate(raw.decode("latin-1").removesuffix("\n").split("\n"), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise MetadataError(f"Line {number} of the metadata is not of the form key=value.")
        if match[1] in values:
            raise MetadataError(f"The metadata has {match[1]} twice.")
        values[match[1]] = match[2]
    return values


def _unknown(names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(sorted(names))
    if len(found) > MAX_UNKNOWN:
        raise MetadataError(
            f"The metadata has {len(found)} keys or fields that are unknown;"
            f" at most {MAX_UNKNOWN} are allowed."
        )
    return found


def _listed(value: str) -> tuple[str, ...]:
    return tuple(value.split("|")) if value else ()


def _split(values: Mapping[str, str], key: str) -> tuple[str, ...]:
    return _listed(values.get(key, ""))


def _number(value: str, key: str) -> int:
    if _NUMBER.fullmatch(value) is None:
        raise MetadataError(
            f"The metadata's {key} is {show_text(value)}, which is not a plain number."
        )
    if int(value) > MAX_INTEGER:
        raise MetadataError(f"The metadata's {key} is {value}; at most {MAX_INTEGER} is allowed.")
    return int(value)


def _sdk_level(value: str, ota_type: str) -> int:
    return 0 if not value and ota_type == BLOCK else _number(value, "post-sdk-level")


def _yes(values: Mapping[str, str], key: str) -> bool:
    value = values.get(key)
    if value not in {None, "yes"}:
        raise MetadataError(f"The metadata's {key} is {show_text(value)}; only yes is known.")
    return value == "yes"


def _property_files(message: Message) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in message.messages(4):
        key = entry.text(1)
        if key in found:
            raise MetadataError(f"metadata.pb has {show_text(key)} twice.")
        found[key] = entry.text(2).rstrip(" ")
    return found


def _check_supported(metadata: Metadata) -> None:
    if metadata.ota_type not in {AB, BLOCK}:
        shown = metadata.ota_type[:20] or "missing"
        raise UnsupportedError(f"The package's type is {shown}; only AB and BLOCK are supported.")
    if metadata.retrofit_dynamic_partitions:
        raise UnsupportedError("Packages that retrofit dynamic partitions are not supported yet.")
    if "|" in metadata.fingerprint:
        raise UnsupportedError("Packages for more than one target build are not supported yet.")


def _check_names(key: str, values: tuple[str, ...], longest: int, most: int) -> None:
    if len(values) > most:
        raise MetadataError(
            f"The metadata's {key} names {len(values)} builds or devices; at most {most} are"
            " allowed."
        )
    for value in values:
        if _PRINTABLE.fullmatch(value) is None:
            raise MetadataError(f"The metadata's {key} is missing or malformed.")
        if len(value) > longest:
            raise MetadataError(
                f"The metadata's {key} has {len(value)} characters; at most {longest} are allowed."
            )
    if len(set(values)) != len(values):
        raise MetadataError(f"The metadata's {key} names something twice.")


def _check_day(text: str) -> None:
    try:
        is_day = _DATE.fullmatch(text) is not None and date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        raise MetadataError(
            f"The metadata's post-security-patch-level is {show_text(text)}, which is not a"
            " YYYY-MM-DD date of the calendar."
        )


def _checked(metadata: Metadata) -> Metadata:
    """Return the metadata if every value is well-formed."""
    _check_supported(metadata)
    if not metadata.devices:
        raise MetadataError("The metadata's pre-device is missing, so it is for no device.")
    _check_names("post-build", (metadata.fingerprint,), _MAX_FINGERPRINT, 1)
    old_form = metadata.ota_type == BLOCK
    if metadata.incremental or not old_form:
        _check_names("post-build-incremental", (metadata.incremental,), _MAX_INCREMENTAL, 1)
    _check_names("pre-device", metadata.devices, _MAX_FINGERPRINT, _MAX_DEVICES)
    _check_names("pre-build", metadata.source_builds, _MAX_FINGERPRINT, _MAX_SOURCES)
    _check_names(
        *("pre-build-incremental", metadata.source_incrementals, _MAX_INCREMENTAL, _MAX_SOURCES)
    )
    if bool(metadata.source_builds) != bool(metadata.source_incrementals) and not old_form:
        raise MetadataError("The metadata has only one of pre-build and pre-build-incremental.")
    if not 0 < metadata.post_timestamp <= MAX_INTEGER:
        raise MetadataError("The metadata's post-timestamp is not a date after 1970.")
    if metadata.security_patch_level or not old_form:
        _check_day(metadata.security_patch_level)
    return metadata
