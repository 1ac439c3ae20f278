"""Applies a payload from a file: writes each partition to a folder, reads it back and compares it.

After a crash the caller starts over: files are truncated when they are opened, so the result is the
same as without the crash.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from client_sim.engine.errors import ApplyError
from client_sim.engine.journal import Disk
from client_sim.engine.manifest import Partition
from client_sim.engine.manifest_checks import Note, Rules, note_nothing
from client_sim.engine.operations import Step, TargetImage, Workers, apply_step
from client_sim.engine.payload import Payload

Source = Callable[[str], Path]
"""Returns the path of the running slot's image of a partition."""

Progress = Callable[[int, int], None]
"""Called with the number of bytes so far, and their total."""


@dataclass(frozen=True, slots=True)
class PartitionResult:
    """A partition image on the phone: size in bytes, sha256 in lower-case hex."""

    name: str
    size: int
    sha256: str


def describe_result(partition: Partition) -> PartitionResult:
    """Return the size and hash that the payload states for a partition's new image."""
    return PartitionResult(partition.name, partition.new.size, partition.new.sha256.hex())


def check_sources(payload: Payload, source: Source) -> None:
    """Check that the running slot has the payload's source images; raises ApplyError."""
    for partition in payload.manifest.partitions:
        if partition.old is None:
            continue
        path = source(partition.name)
        if not has_content(path, partition.old.size, partition.old.sha256.hex()):
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
    note: Note = note_nothing,
) -> tuple[PartitionResult, ...]:
    """Write `PARTITION.img` for every partition of the payload into `target_dir` and check each.

    Call `check_sources` first. Raises ApplyError if a new image does not have the stated hash,
    PackageError if its data is damaged. On return everything is durable.
    """
    disk = disk or Disk()
    meter = _Meter(sum(partition.new.size for partition in payload.manifest.partitions), progress)
    results = []
    for partition in payload.manifest.partitions:
        target = target_dir / f"{partition.name}.img"
        with ExitStack() as stack:
            old = None
            if partition.old is not None:
                old = stack.enter_context(source(partition.name).open("rb", buffering=0))
            new = stack.enter_context(disk.create(target, partition.new.size))
            image = TargetImage(partition, new, old)
            note(Rules.DATA)
            _apply_all(payload, image, disk, meter)
            disk.sync(new)
        result = describe_result(partition)
        note(Rules.IMAGES)
        if not has_content(target, result.size, result.sha256):
            raise ApplyError(f"The new {partition.name} is not what the package promises.")
        results.append(result)
    disk.sync_directory(target_dir)
    return tuple(results)


def _apply_all(payload: Payload, image: TargetImage, disk: Disk, meter: "_Meter") -> None:
    with Workers() as workers:
        pending: deque[tuple[Step, Future[None]]] = deque()
        for operation in image.partition.operations:
            step = Step(operation, image)
            job = partial(apply_step, step, payload.read_blob(operation), disk)
            pending.append((step, workers.start(job, step.memory)))
            while pending and pending[0][1].done():
                _end_first(pending, meter)
        while pending:
            _end_first(pending, meter)


def _end_first(pending: "deque[tuple[Step, Future[None]]]", meter: "_Meter") -> None:
    step, future = pending.popleft()
    future.result()
    meter.add(step.operation.dst_bytes)


@dataclass(slots=True)
class _Meter:
    """Counts written bytes and reports them to the caller."""

    total: int
    progress: Progress | None
    done: int = 0

    def add(self, amount: int) -> None:
        self.done += amount
        if self.progress is not None:
            self.progress(self.done, self.total)


def has_content(path: Path, size: int, sha256: str) -> bool:
    """Tell whether `path` is a file of `size` bytes with this sha256 in lower-case hex."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
