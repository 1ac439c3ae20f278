"""A clock that a simulation turns: what it says, and that no real server can have it."""

import struct
from datetime import UTC, datetime

import pytest

from server.cli.unsafe_clock import check_true_clock, open_unsafe_clock, take_unsafe_clock
from server.publisher.errors import PublishError
from server.settings import Settings
from server.storage.errors import StorageError
from server.storage.layout import StateFolder


@pytest.fixture
def folder(tmp_path):
    """Give the folder of a state that has not published anything."""
    return StateFolder(tmp_path)


def test_the_time_is_what_the_file_holds_now(tmp_path):
    """Microseconds, little-endian; a rewrite in place is seen by whoever has it open."""
    file = tmp_path / "clock"
    file.write_bytes(bytes.fromhex("00c006bdd4050600"))
    clock = open_unsafe_clock(file)
    assert clock() == datetime.fromtimestamp(0x000605D4BD06C000 / 1e6, UTC)
    with file.open("r+b") as opened:
        opened.write(struct.pack("<Q", 1_767_225_600_500_000))
    assert clock() == datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)


@pytest.mark.parametrize("octets", [b"", b"1234567"])
def test_a_file_without_eight_octets_is_no_clock(tmp_path, octets):
    """It is said at once, and not when the time is asked for."""
    file = tmp_path / "clock"
    file.write_bytes(octets)
    with pytest.raises(StorageError, match="no clock of 8 bytes"):
        open_unsafe_clock(file)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"host": "updates.hening.example"},
        {"api_port": 0, "api_host": "192.0.2.1"},
        {"database_url": "postgresql://h/d"},
        {"blobs_url": "s3://bucket/prefix"},
        {"socket": "/run/hening.sock"},
    ],
)
def test_nothing_that_a_real_server_has_goes_with_it(folder, settings):
    """Other addresses than loopback, and stores and sockets of others, are refused; no mark."""
    with pytest.raises(PublishError, match="--unsafe-clock is for simulations"):
        take_unsafe_clock(folder, Settings(**settings), has_sockets=False)
    assert list(folder.root.iterdir()) == []


def test_sockets_that_were_passed_do_not_go_with_it(folder):
    """A service manager's sockets may listen anywhere."""
    with pytest.raises(PublishError, match="sockets of a real server"):
        take_unsafe_clock(folder, Settings(), has_sockets=True)


def test_a_state_that_lived_by_the_true_clock_keeps_it(folder):
    """Real phones may know what it has signed."""
    folder.public.mkdir()
    with pytest.raises(PublishError, match="by the true clock"):
        take_unsafe_clock(folder, Settings(), has_sockets=False)


def test_a_simulated_state_goes_on_being_one(folder):
    """It may be run again by a simulated clock, and never by the true one."""
    check_true_clock(folder)
    take_unsafe_clock(folder, Settings(), has_sockets=False)
    folder.public.mkdir()
    take_unsafe_clock(folder, Settings(), has_sockets=False)
    with pytest.raises(PublishError, match="belongs to a simulation"):
        check_true_clock(folder)
