import hashlib
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.big_package import CHUNK, Piece, write_big_package
from fixtures.catalogue import find_build
from fixtures.payload_operations import REPLACE, REPLACE_XZ

ROOT = Path(__file__).parents[3]
PARTITION = 128 * 1024**2
ALLOWED = 64 * 10**6  # in addition to the largest operation


def write_package(path, partition):
    """Write a package with a partition of this size; one chunk in 32 is not zero."""
    zeros, noise = bytes(CHUNK), hashlib.shake_256(b"noise").digest(CHUNK)
    packed = lzma.compress(zeros, check=lzma.CHECK_CRC32)
    pieces = [Piece(REPLACE_XZ, packed, zeros)] * 31 + [Piece(REPLACE, noise, noise)]
    turns = partition // (len(pieces) * CHUNK)
    size = turns * sum(len(piece.data) for piece in pieces)
    write_big_package(path, find_build("armani", "id", 1), size, pieces=pieces)


def measure(*arguments):
    """Return the numbers that `memory_run` prints."""
    command = [sys.executable, "-m", "tests.client_sim.engine.memory_run", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize("way", ["stream", "file"])
def test_memory_and_disk_of_a_large_partition(tmp_path, way):
    """A large partition takes 64 MB besides its operation, and its zeros take no room."""
    package = tmp_path / "armani.zip"
    write_package(package, PARTITION)
    (peak,) = measure(way, package, hashlib.sha256(package.read_bytes()).hexdigest())
    image = tmp_path / "phone" / "b" / "system.img"
    assert image.stat().st_size == PARTITION
    assert image.stat().st_blocks * 512 < PARTITION // 31
    assert peak < ALLOWED + CHUNK


def test_memory_of_a_large_operation(tmp_path):
    """The result of an operation of 96 MiB is never held in memory as a whole."""
    peak, said = measure("operation", tmp_path / "system.img")
    assert peak < said + ALLOWED
    assert peak < 96 * 1024**2
