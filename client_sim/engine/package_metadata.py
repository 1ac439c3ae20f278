"""The text metadata of an OTA zip, `META-INF/com/android/metadata`: its devices and builds.

Each line is `key=value`; lists are joined by `|`. A phone compares the values with its own facts
and with the signed release before it writes anything.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from client_sim.engine.errors import ApplyError, PackageError
from client_sim.engine.manifest import Manifest
from client_sim.engine.slots import Slots
from client_sim.world import BuildFacts

MAX_METADATA_BYTES: Final = 64 * 1024

# Keys of packages that are not ordinary updates: they wipe the owner's data, downgrade, lay out
# partitions anew, or target single phones by serial number.
_REFUSED: Final = {
    "ota-wipe": "erases the phone",
    "ota-downgrade": "goes back to an older build",
    "spl-downgrade": "goes back to an older security patch level",
    "ota-retrofit-dynamic-partitions": "lays out the partitions anew",
    "serialno": "names single phones by serial number",
}


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """The decoded text metadata; `values` has the values of all keys."""

    values: Mapping[str, str]

    @property
    def pre_devices(self) -> tuple[str, ...]:
        """The codenames of the package's devices."""
        return _split(self.values.get("pre-device", ""))

    @property
    def pre_builds(self) -> tuple[str, ...]:
        """The fingerprints of an incremental's source builds; empty for a full package."""
        return _split(self.values.get("pre-build", ""))

    @property
    def pre_incrementals(self) -> tuple[str, ...]:
        """The incremental numbers of an incremental's source builds; empty for a full package."""
        return _split(self.values.get("pre-build-incremental", ""))

    @property
    def is_incremental(self) -> bool:
        """Whether the package needs a particular source build."""
        return bool(self.pre_builds or self.pre_incrementals)


def decode_metadata(data: bytes) -> PackageMetadata:
    """Decode the bytes of the text metadata; raises PackageError."""
    if len(data) > MAX_METADATA_BYTES:
        raise PackageError("The package's metadata is too long.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise PackageError("The package's metadata is not UTF-8 text.") from None
    values: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        key, equals, value = line.partition("=")
        if not equals or not key:
            raise PackageError("The package's metadata has a line that is not key=value.")
        if key in values:
            raise PackageError("The package's metadata has a key twice.")
        values[key] = value
    return PackageMetadata(MappingProxyType(values))


def check_package_facts(
    metadata: PackageMetadata, *, codename: str, running: BuildFacts, expected: BuildFacts
) -> None:
    """Check that the package updates this device from its running build to the expected build.

    Raises PackageError if it is for another device or build, is not A/B, has a key of `_REFUSED`,
    or is older than the running build.
    """
    values = metadata.values
    if values.get("ota-type") != "AB":
        raise PackageError("The package is not an A/B update.")
    for key, meaning in _REFUSED.items():
        if key in values:
            raise PackageError(f"The package {meaning}, which this phone does not do.")
    if codename not in metadata.pre_devices:
        raise PackageError(f"The package is for another device than {codename}.")
    for key, required in (
        ("post-build", expected.fingerprint),
        ("post-build-incremental", expected.incremental),
        ("post-timestamp", str(expected.post_timestamp)),
        ("post-security-patch-level", expected.security_patch_level),
    ):
        if values.get(key) != required:
            raise PackageError(f"The package's {key} is not the one of the signed release.")
    _check_step(metadata, running, expected)


def _check_step(metadata: PackageMetadata, running: BuildFacts, expected: BuildFacts) -> None:
    """Check that the expected build is not older, and that the running one is a source build."""
    if expected.post_timestamp < 1:
        raise PackageError("The package's post-timestamp is not a date after 1970.")
    if expected.post_timestamp < running.post_timestamp:
        raise PackageError("The package is older than the running build.")
    if expected.security_patch_level < running.security_patch_level:
        raise PackageError("The package has an older security patch level than the running build.")
    if metadata.is_incremental and (
        running.fingerprint not in metadata.pre_builds
        or running.incremental not in metadata.pre_incrementals
    ):
        raise PackageError("The incremental package does not start from the running build.")


def _split(value: str) -> tuple[str, ...]:
    return tuple(part for part in value.split("|") if part)


_MAX_PROPERTY_FILES: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_MAX_HASH_TEXT: Final = 44


@dataclass(frozen=True, slots=True)
class FileRange:
    """The place of a part of the package: offset and size in bytes."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class PayloadProperties:
    """Size in bytes and sha256 of a payload, and of its header and manifest."""

    file_hash: bytes
    file_size: int
    metadata_hash: bytes
    metadata_size: int


def decode_property_files(text: str) -> dict[str, FileRange]:
    """Decode a property-files string; raises PackageError."""
    if len(text) > _MAX_PROPERTY_FILES:
        raise PackageError("The list of the package's parts is too long.")
    ranges: dict[str, FileRange] = {}
    for entry in text.rstrip(" ").split(","):
        parts = entry.split(":")
        if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
            raise PackageError("The list of the package's parts is not name:offset:size.")
        name, offset, size = parts
        if not _DECIMAL.fullmatch(offset) or not _DECIMAL.fullmatch(size):
            raise PackageError(
                "The list of the package's parts has an offset or size that is not a number."
            )
        if name in ranges:
            raise PackageError(f"The list of the package's parts names {name} twice.")
        ranges[name] = FileRange(int(offset), int(size))
    return ranges


def decode_payload_properties(properties: Mapping[str, str]) -> PayloadProperties:
    """Decode payload properties; other keys are ignored. Raises PackageError."""
    return PayloadProperties(
        file_hash=_decode_hash(properties, "FILE_HASH"),
        file_size=_decode_size(properties, "FILE_SIZE"),
        metadata_hash=_decode_hash(properties, "METADATA_HASH"),
        metadata_size=_decode_size(properties, "METADATA_SIZE"),
    )


def _decode_hash(properties: Mapping[str, str], key: str) -> bytes:
    text = properties.get(key, "")
    try:
        digest = base64.b64decode(text[: _MAX_HASH_TEXT + 1], validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    # The second comparison refuses other encodings of the same bytes.
    if len(digest) != 32 or base64.b64encode(digest).decode() != text:
        raise PackageError(f"The package's {key} is not a base64 sha256.")
    return digest


def _decode_size(properties: Mapping[str, str], key: str) -> int:
    text = properties.get(key, "")
    if not _DECIMAL.fullmatch(text):
        raise PackageError(f"The package's {key} is not a number.")
    return int(text)


def check_fit(
    manifest: Manifest, metadata: PackageMetadata, slots: Slots, running: BuildFacts
) -> None:
    """Check that the payload matches the metadata, is not older, and covers all partitions.

    Raises PackageError, and ApplyError if the payload lacks a partition of this phone.
    """
    if manifest.is_delta != metadata.is_incremental:
        raise PackageError("The package's metadata and payload disagree about being incremental.")
    if manifest.max_timestamp < running.post_timestamp:
        raise PackageError("The payload is older than the running build.")
    level = manifest.security_patch_level
    if level and level < running.security_patch_level:
        raise PackageError("The payload has an older security patch level than the running build.")
    state = slots.state
    updated = {partition.name for partition in manifest.partitions}
    for partition in state.slots[state.running].partitions:
        if partition.name not in updated:
            raise ApplyError(
                f"The package leaves out the partition {partition.name} of this phone."
            )
