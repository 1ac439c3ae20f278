import hashlib

import pytest

from client_sim import transport
from client_sim.device import download
from client_sim.device.choose import Offer
from client_sim.device.download import Downloads
from client_sim.device.errors import DownloadError, StorageError, TransportError
from client_sim.transport import Connection
from tests.cases import case
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import START

BLOCK = 1 << 16
# Two whole blocks and a short one, every byte of a block different from its neighbours'.
PACKAGE = b"".join(bytes([n]) * BLOCK for n in (1, 2)) + b"end"
SHA256 = hashlib.sha256(PACKAGE).hexdigest()
OFFER = Offer(
    "armani/id/stable/a.zip", len(PACKAGE), SHA256, "full", 2, START, "2026-01-05", 0, (), 2
)
URL = f"/targets/armani/id/stable/{SHA256}.a.zip"
RANGES = ["0-65535", "65536-131071", "131072-131074"]


class Cut:
    """A repository that serves `answers` blocks and then breaks the connection."""

    def __init__(self, repository, answers):
        self.repository = repository
        self.left = answers

    def answer(self, head):
        """Answer until the blocks are used up."""
        if not self.left:
            return OSError("tunnel")
        self.left -= 1
        return self.repository.answer(head)


@pytest.fixture
def world(repository, monkeypatch):
    """Make a world in which the package is served, in blocks that are smaller than a phone's."""
    monkeypatch.setattr(transport, "BLOCK", BLOCK)
    monkeypatch.setattr(download, "BLOCK", BLOCK)
    repository.files[URL] = PACKAGE
    return FakeWorld(repository)


def _fetch(world, folder, **options):
    world.sent.clear()
    with Connection(world) as connection:
        return Downloads(folder).fetch(connection, OFFER, **options)


def _ranges(world):
    return [data.split(b"\r\n")[2].decode().removeprefix("Range: bytes=") for data in world.sent]


def test_a_package_comes_in_aligned_blocks(world, tmp_path):
    """Blocks are requested in order; a complete package needs no further request."""
    seen = []
    path = _fetch(world, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == PACKAGE
    assert world.sent == [
        f"GET {URL} HTTP/1.1\r\nHost: updates.hening.example:8080\r\n"
        f"Range: bytes={span}\r\n\r\n".encode()
        for span in RANGES
    ]
    total = len(PACKAGE)
    assert seen == [(0, total), (BLOCK, total), (2 * BLOCK, total), (total, total)]
    assert _fetch(world, tmp_path) == path
    assert not world.sent


def test_resume_requests_the_missing_blocks(repository, world, tmp_path):
    """A crash between writing a block and its count repeats only that block."""
    for whole, counted in ((0, 0), (1, 1), (2, 2), (2, 1)):
        folder = tmp_path / f"{whole}{counted}"
        world.repository = Cut(repository, whole)
        with pytest.raises(TransportError, match="tunnel"):
            _fetch(world, folder)
        world.repository = repository
        if counted < whole:
            (folder / f"{SHA256}.blocks").write_bytes(b"%d" % counted)
        with case(whole, counted):
            assert _fetch(world, folder).read_bytes() == PACKAGE
            assert _ranges(world) == RANGES[counted:]


def test_damaged_block_count(world, tmp_path):
    """A count that does not fit the file is ignored."""
    for count in (b"7", b"-1", b"x", b""):
        (tmp_path / f"{SHA256}.zip").unlink(missing_ok=True)
        (tmp_path / f"{SHA256}.blocks").write_bytes(count)
        (tmp_path / f"{SHA256}.part").write_bytes(PACKAGE[:10])
        with case(count):
            assert _fetch(world, tmp_path).read_bytes() == PACKAGE
            assert _ranges(world) == RANGES


def test_other_packages_are_removed(world, tmp_path):
    """`keep_only` removes all files of other packages, and no other files."""
    other = "0123456789abcdef" * 4
    for name in (f"{other}.part", f"{other}.blocks", f".{other}.blocks.new", f"{other}.zip"):
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / f"{SHA256}.part").write_bytes(PACKAGE[:BLOCK])
    (tmp_path / f"{SHA256}.blocks").write_bytes(b"1")
    kept = ["notes.zip", f"{other}.txt", f"{other[1:]}.zip"]
    for name in kept:
        (tmp_path / name).write_bytes(b"not a phone's")
    Downloads(tmp_path).keep_only(OFFER)
    assert not Downloads(tmp_path).has(OFFER)
    assert _fetch(world, tmp_path).read_bytes() == PACKAGE
    assert Downloads(tmp_path).has(OFFER)
    assert _ranges(world) == RANGES[1:]
    here = sorted(path.name for path in tmp_path.iterdir())
    assert here == sorted([*kept, f"{SHA256}.zip", f"{SHA256}.blocks"])


def test_bytes_of_another_package_are_discarded(repository, world, tmp_path):
    """A changed byte is found after the last block and at each later use.

    A folder in place of the file is a storage error.
    """
    repository.files[URL] = b"\0" + PACKAGE[1:]
    with pytest.raises(DownloadError, match="discarded"):
        _fetch(world, tmp_path)
    assert not list(tmp_path.iterdir())
    repository.files[URL] = PACKAGE
    (tmp_path / f"{SHA256}.zip").write_bytes(b"\0" * len(PACKAGE))
    assert _fetch(world, tmp_path).read_bytes() == PACKAGE
    (tmp_path / f"{SHA256}.zip").unlink()
    (tmp_path / f"{SHA256}.part").mkdir()
    with pytest.raises(StorageError):
        _fetch(world, tmp_path)
