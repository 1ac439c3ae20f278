"""Checks that a transfer list makes sense: totals, blocks, stashes, new data and patches."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from signer.ota.block_ranges import BLOCK_SIZE, BlockSet, count_range_blocks
from signer.ota.errors import PayloadError
from signer.ota.transfer_caps import TransferCaps
from signer.ota.transfer_list import Command, TransferList

_WRITING = frozenset({"new", "zero", "move", "bsdiff", "imgdiff"})
_PATCHING = frozenset({"bsdiff", "imgdiff"})


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """What is kept of a checked list, which can be long: sizes in bytes, commands counted.

    `size` is how far the list writes or erases, `new_data_size` how much new data it takes.
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
    """Return the facts, or raise OtaError for the first thing that a recovery would stumble over.

    `new_size` and `patch_size` are the unpacked lengths of `new.dat` and `patch.dat`; None for
    new data that is compressed by brotli, whose length only unpacking will tell. `caps` are those
    of the package.
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
        # Hash trees are computed over what has been written just before.
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
