"""Writes that survive a power cut, with a failure injected before and after each system call."""

import os
from pathlib import Path

import pytest

from server.storage.durable import (
    move_durable,
    sweep_temporary,
    write_durable,
    write_immutable,
)
from server.storage.errors import StorageError


class PowerCutError(Exception):
    """The machine stops here."""


class Machine:
    """Counts the calls that reach the disk and fails at one of them, before or after it."""

    def __init__(self, monkeypatch, fail_at=0, *, after=False):
        self.calls = []
        self._fail_at, self._after = fail_at, after
        for owner, name in ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "open")):
            monkeypatch.setattr(owner, name, self._wrap(name, getattr(owner, name)))

    def _wrap(self, name, function):
        def call(*args, **kwargs):
            if name == "fsync":
                self.calls.append(f"fsync {Path(f'/proc/self/fd/{args[0]}').readlink().name}")
            else:
                self.calls.append(f"{name} {Path(args[0]).name}")
            if len(self.calls) == self._fail_at and not self._after:
                raise PowerCutError
            result = function(*args, **kwargs)
            if len(self.calls) == self._fail_at:
                raise PowerCutError
            return result

        return call


def test_order_of_calls(tmp_path, monkeypatch):
    """File synced, renamed, folder synced: in this order only a crash leaves old or new."""
    machine = Machine(monkeypatch)
    write_durable(tmp_path / "file", b"new")
    folder = tmp_path.name
    assert machine.calls == [
        "open .tmp-file",
        "fsync .tmp-file",
        "replace .tmp-file",
        f"open {folder}",
        f"fsync {folder}",
    ]


def test_new_folders_are_synced_in_their_parents(tmp_path, monkeypatch):
    """A file in a folder that a power cut forgets is lost, however well it was synced."""
    machine = Machine(monkeypatch)
    write_durable(tmp_path / "a" / "b" / "file", b"new")
    synced = [call for call in machine.calls if call.startswith("fsync")]
    assert synced == [f"fsync {tmp_path.name}", "fsync a", "fsync .tmp-file", "fsync b"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("fail_at", range(1, 6))
def test_a_crash_leaves_old_or_new(tmp_path, monkeypatch, fail_at, after):
    """Whatever call is the last, the file is whole, and a second attempt completes it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        Machine(patch, fail_at, after=after)
        with pytest.raises(PowerCutError):
            write_durable(path, b"new")
    renamed = fail_at > 3 or (fail_at == 3 and after)
    assert path.read_bytes() == (b"new" if renamed else b"old")
    write_durable(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_mode_holds_from_the_first_moment(tmp_path, monkeypatch):
    """A key is never readable for others, not even under its temporary name."""
    modes = []
    monkeypatch.setattr(os, "fsync", lambda fd: modes.append(os.fstat(fd).st_mode & 0o777))
    write_durable(tmp_path / "key", b"secret", mode=0o600)
    assert modes[0] == 0o600
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_immutable_is_equal_or_fails(tmp_path):
    """The same octets may be written again, others never."""
    path = tmp_path / "1.root.json"
    write_immutable(path, b"first")
    before = path.stat()
    write_immutable(path, b"first")
    assert path.stat().st_ino == before.st_ino
    with pytest.raises(StorageError, match=r"1\.root\.json is already there with other octets"):
        write_immutable(path, b"second")
    assert path.read_bytes() == b"first"


def test_move(tmp_path, monkeypatch):
    """A rename is followed by a sync of the folder that got the name."""
    (tmp_path / "source").mkdir()
    machine = Machine(monkeypatch)
    move_durable(tmp_path / "source", tmp_path / "to" / "target")
    assert machine.calls[-3:] == ["rename source", "open to", "fsync to"]
    assert (tmp_path / "to" / "target").is_dir()


def test_sweep(tmp_path):
    """Temporary files and folders go, nested ones too; everything else stays."""
    for name in (".tmp-a/b/.tmp-c/d", "keep/.tmp-e", "keep/tmp-f", "keep/.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    sweep_temporary(tmp_path)
    sweep_temporary(tmp_path / "not there")
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"keep/tmp-f", "keep/.tmp"}
