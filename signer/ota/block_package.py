"""Loads and checks a block-based package, the kind that a recovery installs in place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.brotli_size import BrotliSize
from signer.ota.container import STORED, load_entry
from signer.ota.entry_hash import check_entries, unpacked_entries
from signer.ota.errors import MetadataError, PayloadError, UnsupportedError
from signer.ota.front import Front
from signer.ota.hashing import Progress, Run, Track, hash_runs
from signer.ota.package_hashes import FILE, SIGNED, PackageHashes, whole_file_runs
from signer.ota.properties import PAYLOAD, check_spans, decode_property_files
from signer.ota.questions import OFFSETS, RULES, Answered, ignore
from signer.ota.sentences import show_text
from signer.ota.transfer_caps import MAX_TRANSFER_LIST, TransferCaps
from signer.ota.transfer_checks import TransferFacts, check_transfer_list
from signer.ota.transfer_list import TransferList, decode_transfer_list

UPDATE_BINARY = "META-INF/com/google/android/update-binary"
UPDATER_SCRIPT = "META-INF/com/google/android/updater-script"
_LIST = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\.transfer\.list")
_NAMED = re.compile(r'"([a-z0-9_-]+\.(?:transfer\.list|new\.dat|new\.dat\.br|patch\.dat))"')
_EXTRACTED = re.compile(r'package_extract_file\(\s*"([^"]*)"')
_NEW_DATA = "{}.new.dat.br"
_MAX_SCRIPT, _MAX_LISTS = 1 << 20, 64
_BROTLI_WEIGHT = 4.0  # of a packed byte, which becomes several


@dataclass(frozen=True, slots=True)
class BlockPartition:
    """A partition and what its transfer list, which has been checked, does with it."""

    name: str
    facts: TransferFacts


@dataclass(frozen=True, slots=True)
class BlockPackage:
    """A block-based package and its partitions, at least one, all of one version."""

    front: Front
    partitions: tuple[BlockPartition, ...]

    @property
    def version(self) -> int:
        """The version of the transfer lists."""
        return self.partitions[0].facts.version


def load_block_package(stream: BinaryIO, front: Front, answered: Answered = ignore) -> BlockPackage:
    """Read everything but the data; OtaError for what is malformed or contradicts another part.

    `answered` is called with each question whose answer is yes.
    """
    container = front.container
    if PAYLOAD in container.entries:
        raise MetadataError("The metadata says BLOCK, and the package has a payload.bin.")
    for key, value in front.metadata.property_files.items():
        check_spans(decode_property_files(value, key), key, container)
    if front.metadata.property_files:
        answered(OFFSETS)
    container.entry(UPDATE_BINARY)
    names = [match[1] for match in map(_LIST.fullmatch, container.entries) if match]
    if not names:
        raise UnsupportedError("The package has no transfer list; file-based ones are not read.")
    if len(names) > _MAX_LISTS:
        raise PayloadError(f"The package has {len(names)} transfer lists; {_MAX_LISTS} are taken.")
    caps = TransferCaps()
    partitions = tuple(_load_partition(stream, front, name, caps) for name in names)
    if len({partition.facts.version for partition in partitions}) > 1:
        raise PayloadError("The package's transfer lists have different versions.")
    _check_script(load_entry(stream, container.entry(UPDATER_SCRIPT), _MAX_SCRIPT), front, names)
    answered(RULES)
    return BlockPackage(front, partitions)


def load_block_hashes(
    stream: BinaryIO, package: BlockPackage, progress: Progress | None
) -> PackageHashes:
    """Read the whole file; ContainerError when an entry's bytes are not as the zip announces."""
    front = package.front
    tracks = [
        Track(whole_file_runs(front)),
        unpacked_entries(front.container),
        _brotli_track(package),
    ]
    digests = hash_runs(stream, front.container.length, tracks, progress)
    check_entries(front.container, digests)
    for partition in package.partitions:
        name, needed = _NEW_DATA.format(partition.name), partition.facts.new_data_size.to_bytes(8)
        if digests.get(name, needed) != needed:
            raise PayloadError(
                f"{name} does not unpack to the new data that the transfer list takes."
            )
    return PackageHashes(digests[FILE], digests.get(SIGNED, b""), b"")


def _brotli_track(package: BlockPackage) -> Track:
    """Return the track that unpacks new data; one that the zip has deflated again is left out."""
    runs, limits = [], {}
    for partition in package.partitions:
        entry = package.front.container.entries.get(_NEW_DATA.format(partition.name))
        if entry is not None and entry.method == STORED:
            runs.append(Run(entry.offset, entry.offset + entry.packed_size, entry.name))
            limits[entry.name] = partition.facts.new_data_size
    runs.sort(key=lambda run: run.start)
    return Track(runs, lambda key: BrotliSize(limits[str(key)]), _BROTLI_WEIGHT)


def _load_partition(
    stream: BinaryIO, front: Front, name: str, caps: TransferCaps
) -> BlockPartition:
    entry = front.container.entry(f"{name}.transfer.list")
    raw = load_entry(stream, entry, MAX_TRANSFER_LIST)
    caps.take(raw)
    return BlockPartition(name, _check_list(front, name, decode_transfer_list(raw), caps))


def _check_list(
    front: Front, partition: str, transfer: TransferList, caps: TransferCaps
) -> TransferFacts:
    entries = front.container.entries
    compressed, plain = _NEW_DATA.format(partition), f"{partition}.new.dat"
    if (compressed in entries) == (plain in entries):
        raise PayloadError(f"Partition {partition} needs {plain} or {compressed}, one of the two.")
    new_size = entries[plain].size if plain in entries else None
    patch = front.container.entry(f"{partition}.patch.dat")
    if patch.method != STORED:
        raise PayloadError(f"{patch.name} is compressed in the zip, so no recovery can read it.")
    facts = check_transfer_list(transfer, partition, new_size, patch.size, caps)
    if facts.reads and not front.metadata.source_builds:
        raise MetadataError(
            f"The package says that it is full, and its transfer list of {partition} reads old"
            " blocks."
        )
    return facts


def _check_script(raw: bytes, front: Front, partitions: Iterable[str]) -> None:
    """Check that the script names every list, and nothing that is not in the package."""
    script = raw.decode("latin-1")
    named = {*_NAMED.findall(script), *_EXTRACTED.findall(script)}
    for partition in partitions:
        if f"{partition}.transfer.list" not in named:
            raise PayloadError(f"The updater-script does not use {partition}.transfer.list.")
    for name in sorted(named - front.container.entries.keys()):
        raise PayloadError(
            f"The updater-script uses {show_text(name)}, which is not in the package."
        )
