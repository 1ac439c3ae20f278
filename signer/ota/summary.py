"""Sums up a package that has passed every check: the facts about it."""

from collections.abc import Iterable
from pathlib import Path

from signer.ota.block_package import BlockPackage
from signer.ota.facts import OtaFacts, PartitionFacts, Signed
from signer.ota.manifest import Manifest, Partition
from signer.ota.metadata import PROPERTY_FILES, STREAMING_PROPERTY_FILES
from signer.ota.operations import MAX_MINOR_VERSION, OPTIONAL_NAMES, VERITY, operation_name
from signer.ota.package import Package

_BLOCK_SIZE = 4096


def sum_up(path: Path, package: Package, sha256: str, signed: Signed) -> OtaFacts:
    """Return the facts about an A/B package; `sha256` is that of the file, in hex."""
    front, manifest, values = package.front, package.payload.manifest, package.properties.values
    metadata = front.metadata
    partitions = tuple(fact for each in manifest.partitions for fact in _partition_facts(each))
    return OtaFacts(
        path=path,
        length=front.container.length,
        sha256=sha256,
        ota_type="AB",
        devices=metadata.devices,
        type="incremental" if manifest.is_delta else "full",
        fingerprint=metadata.fingerprint,
        incremental=metadata.incremental,
        source_builds=metadata.source_builds,
        source_incrementals=metadata.source_incrementals,
        post_timestamp=metadata.post_timestamp,
        sdk_level=metadata.sdk_level,
        security_patch_level=metadata.security_patch_level,
        wipe=metadata.wipe or values.get("POWERWASH", "0") != "0",
        downgrade=metadata.downgrade,
        spl_downgrade=metadata.spl_downgrade or values.get("SPL_DOWNGRADE", "0") != "0",
        partial=manifest.partial_update,
        property_files=metadata.property_files[PROPERTY_FILES],
        streaming_property_files=metadata.property_files.get(STREAMING_PROPERTY_FILES, ""),
        payload_properties=values,
        partitions=partitions,
        minor_version=manifest.minor_version,
        block_size=manifest.block_size,
        signed=signed,
        unknown=(
            *front.unknown,
            *package.properties.unknown,
            *_unknown_names(manifest, partitions),
        ),
        has_metadata_pb=front.has_metadata_pb,
    )


def sum_up_block(path: Path, package: BlockPackage, sha256: str, signed: Signed) -> OtaFacts:
    """Return the facts about a block-based package; `sha256` is that of the file, in hex."""
    front = package.front
    metadata = front.metadata
    return OtaFacts(
        path=path,
        length=front.container.length,
        sha256=sha256,
        ota_type="BLOCK",
        devices=metadata.devices,
        type="incremental" if metadata.source_builds else "full",
        fingerprint=metadata.fingerprint,
        incremental=metadata.incremental,
        source_builds=metadata.source_builds,
        source_incrementals=metadata.source_incrementals,
        post_timestamp=metadata.post_timestamp,
        sdk_level=metadata.sdk_level,
        security_patch_level=metadata.security_patch_level,
        wipe=metadata.wipe,
        downgrade=metadata.downgrade,
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
        block_size=_BLOCK_SIZE,
        signed=signed,
        unknown=front.unknown,
        has_metadata_pb=front.has_metadata_pb,
        transfer_version=package.version,
    )


def _partition_facts(partition: Partition) -> list[PartitionFacts]:
    if partition.new is None:
        return []  # the checks have refused it
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
    """Name what is of a newer format, or known and not done by every phone."""
    names = set(manifest.unknown)
    if manifest.minor_version > MAX_MINOR_VERSION:
        names.add(f"minor-version-{manifest.minor_version}")
    for partition in partitions:
        names |= partition.operations.keys() & OPTIONAL_NAMES
    if any(partition.has_verity for partition in manifest.partitions):
        names.add(VERITY)
    return sorted(names)
