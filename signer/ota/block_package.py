"""Loads and checks a block-based package, the kind that a recovery installs in place."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from signer.ota.container import STORED, Envelope, load_entry
from signer.ota.errors import (
    OFFSETS,
    RULES,
    Answered,
    MetadataError,
    PayloadError,
    UnsupportedError,
    show_text,
)
from signer.ota.hashing import Progress, Run, Track, hash_runs
from signer.ota.package import (
    FILE,
    SIGNED,
    PackageHashes,
    check_entries,
    unpacked_entries,
    whole_file_runs,
)
from signer.ota.payload_checks import BrotliSize
from signer.ota.properties import PAYLOAD, check_spans, decode_property_files
from signer.ota.transfer_list import (
    BLOCK_SIZE,
    MAX_TRANSFER_LIST,
    BlockSet,
    Command,
    TransferCaps,
    TransferList,
    count_range_blocks,
    decode_transfer_list,
)

_WRITING = frozenset({"new", "zero", "move", "bsdiff", "imgdiff"})
_PATCHING = frozenset({"bsdiff", "imgdiff"})


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """Sizes and command counts of a checked transfer list, which itself is too long to keep.

    `size` is the end of the last block that the list writes or erases, `new_data_size` the length
    of its new data, both in bytes.
    """

    version: int
    size: int
    new_data_size: int
    reads: bool
    commands: Mapping[str, int]


def check_transfer_list(
    transfer: TransferList,
    partition: str,
    new_size: int | None,
    patch_size: int,
    caps: TransferCaps,
) -> TransferFacts:
    """Return the facts, or raise OtaError for the first fault that would make a recovery fail.

    `new_size` and `patch_size` are the unpacked lengths of `new.dat` and `patch.dat`; None for new
    data in brotli, whose length is known only after unpacking. `caps` are the limits of the whole
    package.
    """
    where = f"partition {partition}"
    written, erased, stashes = BlockSet(), BlockSet(), set[str]()
    commands = Counter[str]()
    total, new, end, reads = 0, 0, 0, False
    for command in transfer.commands():
        commands[command.name] += 1
        targets = count_range_blocks(command.targets)
        caps.take_blocks(targets + count_range_blocks(command.sources), where)
        _check_stashes(command, stashes, where)
        # A hash tree is computed from blocks that the list has written.
        if command.name != "compute_hash_tree" and written.overlaps(command.sources):
            raise PayloadError(f"{_named(command)} in {where} reads a block that was written over.")
        if erased.overlaps(command.sources):
            raise PayloadError(f"{_named(command)} in {where} reads a block that was erased.")
        if command.name == "move" and command.read_blocks != targets:
            raise PayloadError(f"A move in {where} reads and writes different numbers of blocks.")
        if command.name in _PATCHING:
            _check_patch(command, patch_size, where)
        if written.overlaps(command.targets):
            raise PayloadError(f"{_named(command)} in {where} undoes what was written before.")
        (erased if command.name == "erase" else written).add(command.targets)
        total += targets if command.name in _WRITING else 0
        new += targets * BLOCK_SIZE if command.name == "new" else 0
        end = max([end, *(stop for _, stop in command.targets)])
        reads = reads or command.read_blocks > 0
    if total != transfer.total_blocks:
        raise PayloadError(
            f"The transfer list of {where} announces {transfer.total_blocks} blocks and writes"
            f" {total}."
        )
    if new_size not in {None, new}:
        raise PayloadError(
            f"The transfer list of {where} takes {new} bytes of new data, and new.dat has"
            f" {new_size}."
        )
    return TransferFacts(transfer.version, end * BLOCK_SIZE, new, reads, commands)


def _named(command: Command) -> str:
    return f"{'An' if command.name[0] in 'ei' else 'A'} {command.name}"


def _check_stashes(command: Command, stashes: set[str], where: str) -> None:
    needed = command.stashes if command.name != "free" else (command.stash,)
    for stash in needed:
        if stash not in stashes:
            raise PayloadError(f"{_named(command)} in {where} needs stash {stash}, which is empty.")
    if command.name == "stash":
        stashes.add(command.stash)
    if command.name == "free":
        stashes.discard(command.stash)


def _check_patch(command: Command, patch_size: int, where: str) -> None:
    if not command.patch_length or command.patch_offset + command.patch_length > patch_size:
        raise PayloadError(
            f"The patch of a {command.name} in {where} lies beyond the end of patch.dat."
        )


UPDATE_BINARY = "META-INF/com/google/android/update-binary"
UPDATER_SCRIPT = "META-INF/com/google/android/updater-script"
_LIST = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\.transfer\.list")
_NAMED = re.compile(r'"([a-z0-9_-]+\.(?:transfer\.list|new\.dat|new\.dat\.br|patch\.dat))"')
_EXTRACTED = re.compile(r'package_extract_file\(\s*"([^"]*)"')
_NEW_DATA = "{}.new.dat.br"
_MAX_SCRIPT, _MAX_LISTS = 1 << 20, 64
_BROTLI_WEIGHT = 4.0  # per packed byte, which unpacks to several


@dataclass(frozen=True, slots=True)
class BlockPartition:
    """A partition and the facts of its checked transfer list."""

    name: str
    facts: TransferFacts


@dataclass(frozen=True, slots=True)
class BlockPackage:
    """A block-based package and its partitions: at least one, all of one transfer list version."""

    envelope: Envelope
    partitions: tuple[BlockPartition, ...]

    @property
    def version(self) -> int:
        """The version of the transfer lists."""
        return self.partitions[0].facts.version


def load_block_package(stream: BinaryIO, envelope: Envelope, answered: Answered) -> BlockPackage:
    """Read everything except the data.

    `answered` is called with each question whose answer is yes. Raises OtaError for the first part
    that is malformed or contradicts another.
    """
    container = envelope.container
    if PAYLOAD in container.entries:
        raise MetadataError("The metadata says BLOCK, and the package has a payload.bin.")
    for key, value in envelope.metadata.property_files.items():
        check_spans(decode_property_files(value, key), key, container)
    if envelope.metadata.property_files:
        answered(OFFSETS)
    container.entry(UPDATE_BINARY)
    names = [match[1] for match in map(_LIST.fullmatch, container.entries) if match]
    if not names:
        raise UnsupportedError(
            "The package has no transfer list; file-based packages are not supported."
        )
    if len(names) > _MAX_LISTS:
        raise PayloadError(
            f"The package has {len(names)} transfer lists; {_MAX_LISTS} are allowed."
        )
    caps = TransferCaps()
    partitions = tuple(_load_partition(stream, envelope, name, caps) for name in names)
    if len({partition.facts.version for partition in partitions}) > 1:
        raise PayloadError("The package's transfer lists have different versions.")
    _check_script(load_entry(stream, container.entry(UPDATER_SCRIPT), _MAX_SCRIPT), envelope, names)
    answered(RULES)
    return BlockPackage(envelope, partitions)


def load_block_hashes(
    stream: BinaryIO, package: BlockPackage, progress: Progress | None
) -> PackageHashes:
    """Read the whole file; raises OtaError when its bytes do not match what the package says."""
    envelope = package.envelope
    tracks = [
        Track(whole_file_runs(envelope)),
        unpacked_entries(envelope.container),
        _brotli_track(package),
    ]
    digests = hash_runs(stream, envelope.container.length, tracks, progress)
    check_entries(envelope.container, digests)
    for partition in package.partitions:
        name, needed = _NEW_DATA.format(partition.name), partition.facts.new_data_size.to_bytes(8)
        if digests.get(name, needed) != needed:
            raise PayloadError(
                f"{name} does not unpack to the new data that the transfer list takes."
            )
    return PackageHashes(digests[FILE], digests.get(SIGNED, b""), b"")


def _brotli_track(package: BlockPackage) -> Track:
    """Return the track that unpacks new data; entries that the zip deflates are left out."""
    runs, limits = [], {}
    for partition in package.partitions:
        entry = package.envelope.container.entries.get(_NEW_DATA.format(partition.name))
        if entry is not None and entry.method == STORED:
            runs.append(Run(entry.offset, entry.offset + entry.packed_size, entry.name))
            limits[entry.name] = partition.facts.new_data_size
    runs.sort(key=lambda run: run.start)
    return Track(runs, lambda key: BrotliSize(limits[str(key)]), _BROTLI_WEIGHT)


def _load_partition(
    stream: BinaryIO, envelope: Envelope, name: str, caps: TransferCaps
) -> BlockPartition:
    entry = envelope.container.entry(f"{name}.transfer.list")
    raw = load_entry(stream, entry, MAX_TRANSFER_LIST)
    caps.take(raw)
    return BlockPartition(name, _check_list(envelope, name, decode_transfer_list(raw), caps))


def _check_list(
    envelope: Envelope, partition: str, transfer: TransferList, caps: TransferCaps
) -> TransferFacts:
    entries = envelope.container.entries
    compressed, plain = _NEW_DATA.format(partition), f"{partition}.new.dat"
    if (compressed in entries) == (plain in entries):
        raise PayloadError(f"Partition {partition} needs {plain} or {compressed}, one of the two.")
    new_size = entries[plain].size if plain in entries else None
    patch = envelope.container.entry(f"{partition}.patch.dat")
    if patch.method != STORED:
        raise PayloadError(f"{patch.name} is compressed in the zip, so no recovery can read it.")
    facts = check_transfer_list(transfer, partition, new_size, patch.size, caps)
    if facts.reads and not envelope.metadata.source_builds:
        raise MetadataError(
            f"The package says that it is full, and its transfer list of {partition} reads old"
            " blocks."
        )
    return facts


def _check_script(raw: bytes, envelope: Envelope, partitions: Iterable[str]) -> None:
    """Check that the script names every list, and no file that is missing from the package."""
    script = raw.decode("latin-1")
    named = {*_NAMED.findall(script), *_EXTRACTED.findall(script)}
    for partition in partitions:
        if f"{partition}.transfer.list" not in named:
            raise PayloadError(f"The updater-script does not use {partition}.transfer.list.")
    for name in sorted(named - envelope.container.entries.keys()):
        raise PayloadError(
            f"The updater-script uses {show_text(name)}, which is not in the package."
        )
