"""Carries one large REPLACE_XZ operation out and prints how much more memory it took at the most.

Prints also what `Step.memory` says of it.
"""

import hashlib
import lzma
import sys
import tempfile
from pathlib import Path

from benchmarks.install_parts.memory import begin_peak, read_peak
from client_sim.engine.journal import Disk
from client_sim.engine.manifest import (
    BLOCK_SIZE,
    Extent,
    ImageInfo,
    Operation,
    OperationType,
    Partition,
)
from client_sim.engine.operations import Step, TargetImage, apply_step

SIZE = 96 * 1024 * 1024
DICTIONARY = 64 * 1024 * 1024  # the largest that a phone takes
# The longest matches there are: packing takes longest of all here.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 0, "nice_len": 273, "dict_size": DICTIONARY}]


def main():
    """Write a partition of noise that comes again after each 64 KiB."""
    noise = hashlib.shake_256(b"noise").digest(1 << 16)
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=FILTERS)
    data = b"".join([*(packer.compress(noise) for _ in range(SIZE >> 16)), packer.flush()])
    del packer
    extents = (Extent(0, SIZE // BLOCK_SIZE),)
    sha256 = hashlib.sha256(data).digest()
    operation = Operation(OperationType.REPLACE_XZ, 0, len(data), (), extents, sha256, None)
    partition = Partition("system", ImageInfo(SIZE, bytes(32)), None, (operation,))
    disk = Disk()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "system.img"
        with disk.create(path, SIZE) as new:
            step = Step(operation, TargetImage(partition, new, None))
            held = begin_peak()
            apply_step(step, data, disk)
            peak = read_peak() - held
        with path.open("rb") as file:
            assert file.read(1 << 16) == noise
    sys.stdout.write(f"{peak} {step.memory}\n")


if __name__ == "__main__":
    main()
