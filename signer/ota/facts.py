"""What is known about an OTA package once it has passed every check."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from signer.ota.sentences import show_name


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """A partition's name, new size in bytes, new sha256 in hex, and operations counted by type.

    `source_size` and `source_sha256` are those of the content that an incremental starts from, 0
    and empty when there is none. A block-based package has no sha256; its `size` is how far it
    writes or erases, and its operations are the commands of the transfer list.
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
    """An OTA package that is what it says it is.

    `length` is in bytes and `sha256` in hex, both of the whole file. `source_builds` are the
    fingerprints an incremental starts from, empty for a full package. `post_timestamp` is in epoch
    seconds. `property_files` is AOSP's `ota-property-files`, `streaming_property_files` the same
    without `payload_metadata.bin`; both without padding, empty if the package has none.
    `unknown` names what a person has to allow: what is of a newer format than this version knows,
    operations (`unknown-27`), a `minor-version-10`, properties, fields; and what not every phone
    does, `PUFFDIFF`, `ZUCCHINI`, `LZ4DIFF_BSDIFF`, `LZ4DIFF_PUFFDIFF` and `verity`. A block-based
    package has neither payload properties nor minor version (0), may lack incremental, patch level
    (empty) and SDK level (0), and has the version of its transfer lists in `transfer_version`, 0
    otherwise.
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

    @property
    def shown(self) -> str:
        """The file's name as sentences show it."""
        return show_name(self.path.name)
