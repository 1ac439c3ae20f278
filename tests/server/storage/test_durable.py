"""Writes that survive a power cut, with a failure before and after each system call."""

import os
import stat
from pathlib import Path

import pytest

from server.storage.database import migrate
from server.storage.durable import (
    create_file,
    folder_mode,
    is_private,
    make_folder,
    move_durable,
    open_created,
    sweep_temporary,
    write_durable,
    write_immutable,
)
from server.storage.errors import StorageError
from tests.cases import case


class PowerCutError(Exception):
    """Simulates a power cut."""


class Machine:
    """Records system calls for durability, and fails before or after one of them."""

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


def test_order_of_system_calls(tmp_path, monkeypatch):
    """A file is synced, renamed, and its folder synced, so that a crash leaves old or new.

    New folders are synced in their parents, because otherwise they can be lost with their files.
    After a rename the target's folder is synced.
    """
    machine, folder = Machine(monkeypatch), tmp_path.name
    write_durable(tmp_path / "file", b"new")
    named = ["open .tmp-file", "fsync .tmp-file", "replace .tmp-file"]
    assert machine.calls == [*named, f"open {folder}", f"fsync {folder}"]
    machine.calls.clear()
    write_durable(tmp_path / "a" / "b" / "file", b"new")
    synced = [call for call in machine.calls if call.startswith("fsync")]
    assert synced == [f"fsync {folder}", "fsync a", "fsync .tmp-file", "fsync b"]
    move_durable(tmp_path / "a" / "b", tmp_path / "to" / "target")
    assert machine.calls[-3:] == ["rename b", "open to", "fsync to"]
    assert (tmp_path / "to" / "target").is_dir()


def test_crash_at_any_system_call(tmp_path, monkeypatch):
    """After a crash at any call the file is old or new, and a second write succeeds."""
    path = tmp_path / "file"
    for fail_at in range(1, 6):
        for after in (False, True):
            path.write_bytes(b"old")
            with case(fail_at, after), monkeypatch.context() as patch:
                Machine(patch, fail_at, after=after)
                with pytest.raises(PowerCutError):
                    write_durable(path, b"new")
            renamed = fail_at > 3 or (fail_at == 3 and after)
            assert path.read_bytes() == (b"new" if renamed else b"old")
            write_durable(path, b"new")
            assert path.read_bytes() == b"new"
            assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_private_file_is_private_from_its_creation(tmp_path, monkeypatch):
    """A private file is private from its creation, even under its temporary name.

    The mode is an argument of the system call that creates the file.
    """
    modes, requested, real = [], [], os.open

    def watch(path, flags, given=0o777, **more):
        requested.append(given)
        return real(path, flags, given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: modes.append(os.fstat(fd).st_mode & 0o777))
        write_durable(tmp_path / "key", b"secret", mode=0o600)
    assert modes[0] == (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(os, "open", watch)
    create_file(tmp_path / "file")
    assert requested == [0o600]


def test_write_immutable(tmp_path):
    """Writing an immutable file again succeeds only with the same bytes."""
    path = tmp_path / "1.root.json"
    write_immutable(path, b"first")
    before = path.stat()
    write_immutable(path, b"first")
    assert path.stat().st_ino == before.st_ino
    with pytest.raises(StorageError, match=r"1\.root\.json is already there with other bytes"):
        write_immutable(path, b"second")
    assert path.read_bytes() == b"first"


def test_sweep_temporary(tmp_path):
    """Temporary files and folders are removed, even nested ones; all else stays."""
    for name in (".tmp-a/b/.tmp-c/d", "keep/.tmp-e", "keep/tmp-f", "keep/.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    sweep_temporary(tmp_path)
    sweep_temporary(tmp_path / "not there")
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"keep/tmp-f", "keep/.tmp"}


UMASKS = [0o000, 0o022, 0o077]
if os.geteuid() == 0:  # these take rights from the owner, which stop everyone but root
    UMASKS += [0o277, 0o777]
SERVER, OTHER = 998, 1000  # numbers of users


def mode(path):
    """Return a path's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    """Created files and folders have exactly the requested mode, whatever the umask.

    The default is 0600 for files, including the database, and 0700 for folders.
    """
    former = os.umask(umask)
    try:
        for given, folder in ((0o600, 0o700), (0o644, 0o755)):
            place = tmp_path / oct(given)
            make_folder(place / "folder", given)
            os.close(open_created(place / "opened", os.O_WRONLY, given))
            create_file(place / "created")
            assert mode(place / "created") == 0o600
            write_durable(place / "deep" / "er" / "written", b"", mode=given)
            assert folder_mode(given) == folder
            for name in ("opened", "deep/er/written"):
                assert mode(place / name) == given, name
            for name in ("folder", "deep", "deep/er"):
                assert mode(place / name) == folder, name
        write_durable(tmp_path / "folder" / "file", b"")
        migrate(tmp_path / "hening.sqlite")
    finally:
        os.umask(former)
    found = [mode(tmp_path / name) for name in ("folder", "folder/file", "hening.sqlite")]
    assert found == [0o700, 0o600, 0o600]


def test_existing_paths_keep_their_mode(tmp_path):
    """An existing file or folder keeps its mode; narrowing it is the operator's task."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for name, wide in (("folder", 0o755), ("file", 0o664)):
        (tmp_path / name).chmod(wide)
    make_folder(tmp_path / "folder")
    create_file(tmp_path / "file")
    os.close(open_created(tmp_path / "file", os.O_RDWR))
    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o755, 0o664)
    assert (tmp_path / "file").read_bytes() == b"old"
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")


def test_folder_that_another_process_makes_first(tmp_path, monkeypatch):
    """It is used as it is."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o755)
    is_dir, first = Path.is_dir, iter([False])
    monkeypatch.setattr(Path, "is_dir", lambda path: next(first, True) and is_dir(path))
    make_folder(tmp_path / "folder")
    assert next(first, None) is None
    assert mode(tmp_path / "folder") == 0o755


def test_is_private():
    """A file is private if only its owner and the server can access it.

    A file of root may also be readable for the server's group, unless the server runs as root.
    """
    # The first two of root are a systemd credential, with an access control list for the server.
    for owner, private, wide in (
        (SERVER, (0o600, 0o400), (0o640, 0o604, 0o620, 0o601)),
        (0, (0o440, 0o640), (0o644, 0o660)),
        (OTHER, (0o600,), (0o640,)),
    ):
        for bits in (*private, *wide):
            found = os.stat_result((stat.S_IFREG | bits, 0, 0, 1, owner, 0, 0, 0, 0, 0))
            with case(owner, oct(bits)):
                assert is_private(found, SERVER) is (bits in private)
    lent = os.stat_result((stat.S_IFREG | 0o640, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    assert not is_private(lent, 0)
