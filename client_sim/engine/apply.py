"""A payload applied: every partition written to a folder, then read back and compared.

After a crash the caller starts over: files are emptied when they are opened, so the end is the
same as without the crash. Resuming in the middle would save time, not change anything.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.engine.disk import Disk
from client_sim.engine.errors import ApplyError
from client_sim.engine.manifest import ImageInfo
from client_sim.engine.operations import apply_operation
from client_sim.engine.payload import Payload

_CHUNK: Final = 1024 * 1024

Source = Callable[[str], Path]
"""Gives the path of the running slot's image of a partition."""

Progress = Callable[[int, int], None]
"""Called with the bytes of new images written so far and their sum."""


@dataclass(frozen=True, slots=True)
class PartitionResult:
    """A partition image as it lies on the phone: size in bytes, sha256 in lower-case hex."""

    name: str
    size: int
    sha256: str


def apply_payload(
    payload: Payload,
    source: Source,
    target_dir: Path,
    *,
    progress: Progress | None = None,
    disk: Disk | None = None,
) -> tuple[PartitionResult, ...]:
    """Write `PARTITION.img` for every partition of the payload into `target_dir` and check each.

    Old images are checked before anything is written. Raises ApplyError if an old image is not
    the one the payload starts from or a new one is not what it promises, PackageError if its data
    is damaged. On return all is durable.
    """
    check_sources(payload, source)
    return write_partitions(payload, source, target_dir, progress=progress, disk=disk)


def check_sources(payload: Payload, source: Source) -> None:
    """Check that the old images are those that the payload starts from; raises ApplyError."""
    for partition in payload.manifest.partitions:
        if partition.old is None:
            continue
        path = source(partition.name)
        if not path.is_file() or not _is_image(path, partition.old):
            raise ApplyError(
                f"The running build's {partition.name} is not the one that this incremental package"
                " starts from; install the full package instead."
            )


def write_partitions(
    payload: Payload,
    source: Source,
    target_dir: Path,
    *,
    progress: Progress | None = None,
    disk: Disk | None = None,
) -> tuple[PartitionResult, ...]:
    """Do what `apply_payload` does, for a caller that has just called `check_sources`."""
    disk = disk or Disk()
    meter = _Meter(sum(partition.new.size for partition in payload.manifest.partitions), progress)
    results = []
    for partition in payload.manifest.partitions:
        target = target_dir / f"{partition.name}.img"
        with ExitStack() as stack:
            old = None
            if partition.old is not None:
                old = stack.enter_context(source(partition.name).open("rb"))
            new = stack.enter_context(disk.create(target, partition.new.size))
            for operation in partition.operations:
                apply_operation(operation, payload, old, new, disk)
                meter.add(operation.dst_bytes)
            disk.sync(new)
        info = partition.new
        if not _is_image(target, info):
            raise ApplyError(f"The new {partition.name} is not what the package promises.")
        results.append(PartitionResult(partition.name, info.size, info.sha256.hex()))
    disk.sync_directory(target_dir)
    return tuple(results)


@dataclass(slots=True)
class _Meter:
    """Counts written bytes and tells the caller."""

    total: int
    progress: Progress | None
    done: int = 0

    def add(self, amount: int) -> None:
        self.done += amount
        if self.progress is not None:
            self.progress(self.done, self.total)


def _is_image(path: Path, info: ImageInfo) -> bool:
    if path.stat().st_size != info.size:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.digest() == info.sha256
