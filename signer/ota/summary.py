"""The facts about an OTA package that passed every check, and warnings for existing Updater apps.

Source of the warnings: docs/FORMATS.md section 18.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from signer.ota.block_package import BlockPackage
from signer.ota.container import Envelope
from signer.ota.errors import show_name
from signer.ota.manifest import Manifest, Partition
from signer.ota.metadata import PROPERTY_FILES, STREAMING_PROPERTY_FILES
from signer.ota.operations import MAX_MINOR_VERSION, OPTIONAL_NAMES, VERITY, operation_name
from signer.ota.package import Package
from signer.ota.transfer_list import BLOCK_SIZE

VERSION = "lineage.version"
MAX_LABEL = 1024  # characters: `lineage.property_files` has to fit into a label
_MAJOR_MINOR = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_SOURCE = 4  # the index of the part of a fingerprint that begins with its incremental


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """A partition's name, new size in bytes, new sha256 in hex, and operations counted by type.

    `source_size` and `source_sha256` describe the content that an incremental starts from; they are
    0 and empty when there is none. A block-based package has no sha256; its `size` is the end of
    the last block that it writes or erases, and its operations are the transfer list's commands.
    """

    name: str
    size: int
    sha256: str
    operations: Mapping[str, int]
    source_size: int = 0
    source_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """Which signatures were verified with the given certificate; `payload` includes metadata's."""

    payload: bool
    whole_file: bool


@dataclass(frozen=True, slots=True)
class OtaFacts:
    """The facts about an OTA package whose statements match its bytes.

    `length` is in bytes and `sha256` in hex, both of the whole file. `source_builds` are the
    fingerprints an incremental starts from, empty for a full package. `post_timestamp` is in epoch
    seconds. `property_files` is AOSP's `ota-property-files`, `streaming_property_files` the same
    without `payload_metadata.bin`; both are without padding, and empty if the package has none.

    `unknown` names the features that a person has to allow. These are parts of a newer format:
    operations (`unknown-27`), a `minor-version-10`, properties, fields. They are also features that
    not every phone supports: `PUFFDIFF`, `ZUCCHINI`, `LZ4DIFF_BSDIFF`, `LZ4DIFF_PUFFDIFF` and
    `verity`.

    A block-based package has neither payload properties nor a minor version (0), and may lack
    incremental, patch level (empty) and SDK level (0). `transfer_version` is the version of its
    transfer lists, 0 for an A/B package. `uneven` are the entries whose extra fields differ in
    length between directory and local header, which some Updater apps misread.
    """

    path: Path
    length: int
    sha256: str
    ota_type: Literal["AB", "BLOCK"]
    devices: tuple[str, ...]
    type: Literal["full", "incremental"]
    fingerprint: str
    incremental: str
    source_builds: tuple[str, ...]
    source_incrementals: tuple[str, ...]
    post_timestamp: int
    sdk_level: int
    security_patch_level: str
    wipe: bool
    downgrade: bool
    spl_downgrade: bool
    partial: bool
    property_files: str
    streaming_property_files: str
    payload_properties: Mapping[str, str]
    partitions: tuple[PartitionFacts, ...]
    minor_version: int
    block_size: int
    signed: Signed
    unknown: tuple[str, ...] = ()
    has_metadata_pb: bool = True
    transfer_version: int = 0
    uneven: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The file's name as messages show it."""
        return show_name(self.path.name)


def summarize(path: Path, package: Package, sha256: str, signed: Signed) -> OtaFacts:
    """Return the facts about an A/B package; `sha256` is that of the file, in hex."""
    envelope, manifest, values = (
        package.envelope,
        package.payload.manifest,
        package.properties.values,
    )
    metadata = envelope.metadata
    partitions = tuple(fact for each in manifest.partitions for fact in _partition_facts(each))
    return _state(path, envelope, sha256, signed)(
        ota_type="AB",
        type="incremental" if manifest.is_delta else "full",
        wipe=metadata.wipe or values.get("POWERWASH", "0") != "0",
        spl_downgrade=metadata.spl_downgrade or values.get("SPL_DOWNGRADE", "0") != "0",
        partial=manifest.partial_update,
        property_files=metadata.property_files[PROPERTY_FILES],
        streaming_property_files=metadata.property_files.get(STREAMING_PROPERTY_FILES, ""),
        payload_properties=values,
        partitions=partitions,
        minor_version=manifest.minor_version,
        block_size=manifest.block_size,
        unknown=(
            *envelope.unknown,
            *package.properties.unknown,
            *_unknown_names(manifest, partitions),
        ),
    )


def summarize_block(path: Path, package: BlockPackage, sha256: str, signed: Signed) -> OtaFacts:
    """Return the facts about a block-based package; `sha256` is that of the file, in hex."""
    envelope = package.envelope
    metadata = envelope.metadata
    return _state(path, envelope, sha256, signed)(
        ota_type="BLOCK",
        type="incremental" if metadata.source_builds else "full",
        wipe=metadata.wipe,
        spl_downgrade=metadata.spl_downgrade,
        partial=False,
        property_files=metadata.property_files.get(PROPERTY_FILES, ""),
        streaming_property_files="",
        payload_properties={},
        partitions=tuple(
            PartitionFacts(each.name, each.facts.size, "", each.facts.commands)
            for each in package.partitions
        ),
        minor_version=0,
        block_size=BLOCK_SIZE,
        unknown=envelope.unknown,
        transfer_version=package.version,
    )


def _state(path: Path, envelope: Envelope, sha256: str, signed: Signed) -> partial[OtaFacts]:
    """Return OtaFacts with the envelope's facts; the caller adds those of the package's kind."""
    container, metadata = envelope.container, envelope.metadata
    return partial(
        OtaFacts,
        path=path,
        length=container.length,
        sha256=sha256,
        devices=metadata.devices,
        fingerprint=metadata.fingerprint,
        incremental=metadata.incremental,
        source_builds=metadata.source_builds,
        source_incrementals=metadata.source_incrementals,
        post_timestamp=metadata.post_timestamp,
        sdk_level=metadata.sdk_level,
        security_patch_level=metadata.security_patch_level,
        downgrade=metadata.downgrade,
        signed=signed,
        has_metadata_pb=envelope.has_metadata_pb,
        uneven=tuple(entry.shown for entry in container.entries.values() if entry.is_uneven),
    )


def _partition_facts(partition: Partition) -> list[PartitionFacts]:
    if partition.new is None:
        return []  # the checks of the manifest have refused this
    old = partition.old
    return [
        PartitionFacts(
            name=partition.name,
            size=partition.new.size,
            sha256=partition.new.digest.hex(),
            operations={
                operation_name(number): count
                for number, count in partition.operations.count_types().items()
            },
            source_size=0 if old is None else old.size,
            source_sha256="" if old is None else old.digest.hex(),
        )
    ]


def _unknown_names(manifest: Manifest, partitions: Iterable[PartitionFacts]) -> list[str]:
    """Return the names of features of a newer format, or that not every phone supports."""
    names = set(manifest.unknown)
    if manifest.minor_version > MAX_MINOR_VERSION:
        names.add(f"minor-version-{manifest.minor_version}")
    for partition in partitions:
        names |= partition.operations.keys() & OPTIONAL_NAMES
    if any(partition.has_verity for partition in manifest.partitions):
        names.add(VERITY)
    return sorted(names)


def find_app_warnings(facts: OtaFacts, labels: Mapping[str, str]) -> list[str]:
    """Return a sentence for each fact that breaks an Updater app; `labels` are the release's."""
    warnings = []
    if facts.uneven:
        warnings.append(
            f"LineageOS's app before version 2 does not find payload.bin: {facts.uneven[0]} has"
            " extra fields of one length in the zip's directory and of another before its data."
        )
    version = labels.get(VERSION)
    if version is not None and _MAJOR_MINOR.fullmatch(version) is None:
        warnings.append(
            f"LineageOS's app of version 2 never offers the version {version}: give MAJOR.MINOR in"
            f" the label {VERSION}."
        )
    if len(facts.property_files) > MAX_LABEL:
        warnings.append(
            f"LineageOS's app of version 2 cannot stream it: its list of parts has"
            f" {len(facts.property_files)} characters, and a list of builds 32 KiB in all."
        )
    found = Counter(
        parts[_SOURCE].partition(":")[0]
        for parts in (build.split("/") for build in facts.source_builds)
        if len(parts) > _SOURCE
    )
    for incremental, count in found.items():
        if count > 1:
            warnings.append(
                f"GrapheneOS's app cannot tell {count} of its source builds apart: all have the"
                f" incremental {incremental}."
            )
    return warnings
