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
PARTITION = 4 * 1024**3
ALLOWED = 64 * 10**6  # beyond the largest operation


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Write a package whose partition has 4 GiB, of which one chunk in 32 is not zero."""
    zeros, noise = bytes(CHUNK), hashlib.shake_256(b"noise").digest(CHUNK)
    packed = lzma.compress(zeros, check=lzma.CHECK_CRC32)
    pieces = [Piece(REPLACE_XZ, packed, zeros)] * 31 + [Piece(REPLACE, noise, noise)]
    turns = PARTITION // (len(pieces) * CHUNK)
    size = turns * sum(len(piece.data) for piece in pieces)
    path = tmp_path_factory.mktemp("big") / "armani.zip"
    write_big_package(path, find_build("armani", "id", 1), size, pieces=pieces)
    return path


@pytest.mark.parametrize("way", ["stream", "file"])
def test_four_gibibytes_take_little_memory_and_little_disk(package, way):
    """A partition of 4 GiB takes less than 64 MB beyond an operation's, and its zeros no room."""
    phone = package.parent / "phone"
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    command = [
        sys.executable,
        "-m",
        "tests.client_sim.engine.memory_run",
        str(package),
        sha256,
        way,
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    image = phone / "b" / "system.img"
    assert image.stat().st_size == PARTITION
    assert image.stat().st_blocks * 512 < PARTITION // 31
    assert int(done.stdout) < ALLOWED + CHUNK
    phone.rename(package.parent / way)


def test_a_large_operation_takes_no_more_than_it_says():
    """128 MiB out of one xz stream with the largest dictionary: its result is never held whole."""
    command = [sys.executable, "-m", "tests.client_sim.engine.memory_operation"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    peak, said = map(int, done.stdout.split())
    assert peak < said + ALLOWED
    assert peak < 128 * 1024**2
