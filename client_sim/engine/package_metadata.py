"""The text metadata of an OTA zip, `META-INF/com/android/metadata`: what a package is for.

Lines `key=value`; lists are joined by `|`. A phone compares them with itself and with the signed
release before it writes anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from client_sim.engine.build import BuildFacts
from client_sim.engine.errors import PackageError

MAX_METADATA_BYTES: Final = 64 * 1024

# Keys whose presence asks for something that a quiet update never does: lose the owner's data, go
# back in time, or be for one phone by its serial number.
_REFUSED: Final = {
    "ota-wipe": "erases the phone",
    "ota-downgrade": "goes back to an older build",
    "spl-downgrade": "goes back to an older security patch level",
    "ota-retrofit-dynamic-partitions": "lays out the partitions anew",
    "serialno": "names single phones by serial number",
}


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """The decoded text metadata; `values` holds every line, also those without a property here."""

    values: Mapping[str, str]

    @property
    def pre_devices(self) -> tuple[str, ...]:
        """The code names the package is for."""
        return _split(self.values.get("pre-device", ""))

    @property
    def pre_builds(self) -> tuple[str, ...]:
        """The fingerprints an incremental starts from; empty for a full package."""
        return _split(self.values.get("pre-build", ""))

    @property
    def pre_incrementals(self) -> tuple[str, ...]:
        """The incremental numbers an incremental package starts from; empty for a full package."""
        return _split(self.values.get("pre-build-incremental", ""))

    @property
    def is_incremental(self) -> bool:
        """Whether the package needs a particular build to start from."""
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
    """Check that the package is for this device, from its running build, to the expected one.

    Raises PackageError if it is for another device or build, is not A/B, would wipe or downgrade,
    or names phones by serial number.
    """
    values = metadata.values
    if values.get("ota-type") != "AB":
        raise PackageError("The package is not an A/B update.")
    for key, meaning in _REFUSED.items():
        if key in values:
            raise PackageError(f"The package {meaning}, which this phone does not do.")
    if codename not in metadata.pre_devices:
        raise PackageError(f"The package is for another device than {codename}.")
    for key, wanted in (
        ("post-build", expected.fingerprint),
        ("post-build-incremental", expected.incremental),
        ("post-timestamp", str(expected.post_timestamp)),
        ("post-security-patch-level", expected.security_patch_level),
    ):
        if values.get(key) != wanted:
            raise PackageError(f"The package's {key} is not the one of the signed release.")
    _check_step(metadata, running, expected)


def _check_step(metadata: PackageMetadata, running: BuildFacts, expected: BuildFacts) -> None:
    """Check that the step leads forward and starts where the package says."""
    if expected.post_timestamp < 1:
        raise PackageError("The package's post-timestamp is no date after 1970.")
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
