"""Commands while the clock is far ahead of the newest signature."""

import importlib
import json
import struct
from datetime import UTC, datetime, timedelta

import pytest

from server.cli.clock import check_true_clock, open_unsafe_clock, take_unsafe_clock
from server.publisher.errors import PublishError
from server.publisher.expiry.clock import load_clock_record
from server.publisher.plan import newest_signature
from server.settings import Settings
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from tests.cases import case

CHANNEL = "armani/id/stable"
HALT = ("rollout", "halt", CHANNEL, "--reason", "en=It drains the battery.")


@pytest.fixture
def jump(monkeypatch):
    """Return a function that sets the clock of every command ahead."""

    def ahead(**how):
        for name in ("clock", "rollout_run", "database"):
            module = importlib.import_module(f"server.cli.{name}")
            monkeypatch.setattr(module, "now", lambda: datetime.now(UTC) + timedelta(**how))

    return ahead


@pytest.mark.parametrize("days", [1, 365 * 10])
def test_halt_with_a_wrong_clock_keeps_the_signed_time(run, second, state, jump, days):
    """A halt works with any clock, and the command says whose time it used."""
    before = newest_signature(second.published())
    jump(days=days)
    status, _, err = run(*HALT, "--state", state)
    assert status == 0
    assert "hening-server clock confirm" in err
    after = second.published()
    assert after.pointers()[f"latest/{CHANNEL}"].halted
    assert newest_signature(after) == before
    assert run("check", "--state", state)[0] == 0


def test_small_difference_is_not_reported(run, second, state, jump):
    """A clock an hour ahead of the newest signature is not mentioned."""
    jump(hours=11)
    before = newest_signature(second.published())
    status, _, err = run(*HALT, "--state", state)
    assert (status, err) == (0, "")
    assert newest_signature(second.published()) - before > timedelta(hours=10)


def test_publishing_commands_warn_once(run, state, jump):
    """Each command that can publish warns once on standard error."""
    jump(days=3)
    for words in ("keys new timestamp", "gc", "change list", f"rollout pause {CHANNEL}"):
        with case(words):
            status, out, err = run(*words.split(), "--state", state, "--json")
            assert status == 0
            assert json.loads(out) is not None
            assert err.count("hening-server: the clock says") == err.count("\n") == 1


def test_confirmed_clock_is_used(run, ask, second, state, jump):
    """After a confirmation the clock's time is signed, and the audit log names the user."""
    jump(hours=23)
    shown = ask("clock", "show")
    assert (shown["believed"], shown["confirmed"]) == (False, 0)
    assert shown["clock"] - shown["vouched"] >= 23 * 3600 - 60
    assert "clock confirm" in run("clock", "show", "--state", state)[1]
    assert run("clock", "confirm", "--state", state)[0] == 0
    assert ask("clock", "show")["believed"]
    before = newest_signature(second.published())
    status, _, err = run(*HALT, "--state", state)
    assert (status, err) == (0, "")
    assert newest_signature(second.published()) - before > timedelta(hours=22)
    (entry,) = ask("audit-log", "list", "--action", "clock")
    assert entry["actor"].startswith("cli:")
    assert entry["detail"]["clock"] == load_clock_record(second.folder).confirmed


def test_clock_behind_a_signature_cannot_be_confirmed(run, state, jump):
    """A clock behind a signature cannot be confirmed."""
    jump(days=-1)
    status, out, err = run("clock", "confirm", "--state", state)
    assert (status, out) == (1, "")
    assert "correct the clock" in err


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a state that has published nothing."""
    return StateFolder(tmp_path)


def test_unsafe_clock_reads_its_file(tmp_path):
    """The clock's file has little-endian microseconds, and every process sees a new value."""
    file = tmp_path / "clock"
    file.write_bytes(bytes.fromhex("00c006bdd4050600"))
    clock = open_unsafe_clock(file)
    assert clock() == datetime.fromtimestamp(0x000605D4BD06C000 / 1e6, UTC)
    with file.open("r+b") as opened:
        opened.write(struct.pack("<Q", 1_767_225_600_500_000))
    assert clock() == datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)


def test_unsafe_clock_of_wrong_size_is_refused(tmp_path):
    """A file of another size is refused when it is opened."""
    file = tmp_path / "clock"
    for data in (b"", b"1234567"):
        file.write_bytes(data)
        with pytest.raises(StorageError, match="not a clock of 8 bytes"):
            open_unsafe_clock(file)


def test_unsafe_clock_is_refused_with_real_addresses(folder):
    """A simulated clock is refused with other addresses than loopback, or foreign stores.

    Passed sockets are refused, too, because they may listen anywhere. After a refusal no mark is
    written.
    """
    for settings in (
        {"host": "0.0.0.0"},
        {"host": "updates.hening.example"},
        {"api_port": 0, "api_host": "192.0.2.1"},
        {"database_url": "postgresql://h/d"},
        {"blobs_url": "s3://bucket/prefix"},
        {"socket": "/run/hening.sock"},
    ):
        with case(settings), pytest.raises(PublishError, match="--unsafe-clock is for simulations"):
            take_unsafe_clock(folder, Settings(**settings), has_sockets=False)
    with pytest.raises(PublishError, match="sockets of a real server"):
        take_unsafe_clock(folder, Settings(), has_sockets=True)
    assert list(folder.root.iterdir()) == []


def test_simulated_state_cannot_use_the_real_clock(folder):
    """A state can be used with a simulated clock only, or with the real clock only.

    Real phones may know the signatures of a state that used the real clock.
    """
    check_true_clock(folder)
    folder.public.mkdir()
    with pytest.raises(PublishError, match="with the true clock"):
        take_unsafe_clock(folder, Settings(), has_sockets=False)
    folder.public.rmdir()
    take_unsafe_clock(folder, Settings(), has_sockets=False)
    folder.public.mkdir()
    take_unsafe_clock(folder, Settings(), has_sockets=False)
    with pytest.raises(PublishError, match="belongs to a simulation"):
        check_true_clock(folder)
