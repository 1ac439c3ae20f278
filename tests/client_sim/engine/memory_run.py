"""A program that does what `argv` says and prints by how much its memory peaked.

`stream PACKAGE SHA256` or `file PACKAGE SHA256` installs a package. `operation IMAGE` applies a
large REPLACE_XZ operation, and also prints its `Step.memory`.
"""

import hashlib
import lzma
import sys
import zipfile
from pathlib import Path

from benchmarks.install_parts.memory import begin_peak, read_peak
from client_sim.engine.install import Expected, install_package, install_stream
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
from client_sim.engine.slots import Slots
from client_sim.transport import BLOCK
from fixtures.catalogue import find_build
from tests.client_sim.engine.streamed import CERTIFICATE, facts_of

SIZE = 96 * 1024 * 1024
DICTIONARY = 64 * 1024 * 1024  # the largest that a phone takes
# With the longest matches compression is fastest, and it takes most of the time here.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 0, "nice_len": 273, "dict_size": DICTIONARY}]


class FileBlocks:
    """The blocks of a file, of the size that phones use."""

    def __init__(self, path):
        self.path = path
        self.length = path.stat().st_size
        self.size = BLOCK

    def read(self, index):
        """Return one block."""
        with self.path.open("rb") as file:
            file.seek(index * BLOCK)
            return file.read(BLOCK)


def install(way, path, sha256):
    """Install a package on a phone beside it; return the memory used."""
    with zipfile.ZipFile(path) as archive:
        texts = [
            archive.read(name).decode().splitlines()
            for name in ("META-INF/com/android/metadata", "payload_properties.txt")
        ]
    metadata, properties = (dict(line.split("=", 1) for line in lines) for lines in texts)
    old, new = find_build("armani", "id", 0), find_build("armani", "id", 1)
    slots = Slots(path.parent / "phone")
    slots.flash_factory({"system": old.images["system"]}, facts_of(old))
    expected = Expected(
        sha256=sha256,
        property_files=metadata["ota-streaming-property-files"],
        payload_properties=properties,
        certificate=CERTIFICATE,
        facts=facts_of(new),
        codename="armani",
    )
    held = begin_peak()
    if way == "file":
        with path.open("rb") as file:
            install_package(file, slots, expected)
    else:
        install_stream(FileBlocks(path), slots, expected)
    return read_peak() - held


def operate(path):
    """Write a partition that repeats 64 KiB of noise; return the memory used and announced."""
    noise = hashlib.shake_256(b"noise").digest(1 << 16)
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=FILTERS)
    data = b"".join([*(packer.compress(noise) for _ in range(SIZE >> 16)), packer.flush()])
    del packer
    extents = (Extent(0, SIZE // BLOCK_SIZE),)
    sha256 = hashlib.sha256(data).digest()
    operation = Operation(OperationType.REPLACE_XZ, 0, len(data), (), extents, sha256, None)
    partition = Partition("system", ImageInfo(SIZE, bytes(32)), None, (operation,))
    disk = Disk()
    with disk.create(path, SIZE) as new:
        step = Step(operation, TargetImage(partition, new, None))
        held = begin_peak()
        apply_step(step, data, disk)
        peak = read_peak() - held
    with path.open("rb") as file:
        assert file.read(1 << 16) == noise
    return peak, step.memory


if __name__ == "__main__":
    name, file, *rest = sys.argv[1:]
    found = operate(Path(file)) if name == "operation" else (install(name, Path(file), *rest),)
    sys.stdout.write(" ".join(map(str, found)))
