"""Checks that a transfer list makes sense: totals, blocks, stashes, new data and patches."""

from signer.ota.block_ranges import BLOCK_SIZE, BlockSet, count_range_blocks
from signer.ota.errors import PayloadError
from signer.ota.transfer_list import Command, TransferList

_WRITING = frozenset({"new", "zero", "move", "bsdiff", "imgdiff"})
_PATCHING = frozenset({"bsdiff", "imgdiff"})


def check_transfer_list(
    transfer: TransferList, partition: str, new_size: int | None, patch_size: int
) -> None:
    """Raise PayloadError for the first thing that a recovery would stumble over.

    `new_size` and `patch_size` are the unpacked lengths of `new.dat` and `patch.dat`; None for
    new data that is compressed by brotli, whose length only unpacking will tell.
    """
    where = f"partition {partition}"
    written, erased, stashes, total = BlockSet(), BlockSet(), set[str](), 0
    for command in transfer.commands:
        _check_stashes(command, stashes, where)
        # Hash trees are computed over what has been written just before.
        if command.name != "compute_hash_tree" and written.overlaps(command.sources):
            raise PayloadError(f"{_named(command)} in {where} reads a block that was written over.")
        if erased.overlaps(command.sources):
            raise PayloadError(f"{_named(command)} in {where} reads a block that was erased.")
        if command.name == "move" and command.read_blocks != count_range_blocks(command.targets):
            raise PayloadError(f"A move in {where} reads and writes different numbers of blocks.")
        if command.name in _PATCHING:
            _check_patch(command, patch_size, where)
        if written.overlaps(command.targets):
            raise PayloadError(f"{_named(command)} in {where} undoes what was written before.")
        (erased if command.name == "erase" else written).add(command.targets)
        if command.name in _WRITING:
            total += count_range_blocks(command.targets)
    if total != transfer.total_blocks:
        raise PayloadError(
            f"The transfer list of {where} announces {transfer.total_blocks} blocks and writes"
            f" {total}."
        )
    _check_new_data(transfer, new_size, where)


def partition_size(transfer: TransferList) -> int:
    """Return in bytes how far the list writes or erases the partition."""
    stops = [stop for command in transfer.commands for _, stop in command.targets]
    return max(stops, default=0) * BLOCK_SIZE


def new_data_size(transfer: TransferList) -> int:
    """Return in bytes how much new data the list takes."""
    return BLOCK_SIZE * sum(
        count_range_blocks(each.targets) for each in transfer.commands if each.name == "new"
    )


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


def _check_new_data(transfer: TransferList, new_size: int | None, where: str) -> None:
    needed = new_data_size(transfer)
    if new_size not in {None, needed}:
        raise PayloadError(
            f"The transfer list of {where} takes {needed} bytes of new data, and new.dat has"
            f" {new_size}."
        )
