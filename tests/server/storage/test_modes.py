"""Files and folders have their mode from the moment they exist, whatever the umask says."""

import os
import stat

import pytest

from server.storage.durable import write_durable
from server.storage.migration import migrate
from server.storage.modes import create_file, create_folder, folder_mode, is_private, open_created

UMASKS = [0o000, 0o022, 0o077, 0o277, 0o777]
SERVER, OTHER = 998, 1000  # numbers of users


@pytest.fixture(params=UMASKS, ids=oct)
def _umask(request):
    """Set a umask for the test."""
    former = os.umask(request.param)
    yield
    os.umask(former)


def mode(path):
    """Return a path's mode."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize(("given", "folder"), [(0o600, 0o700), (0o644, 0o755)])
def test_created_with_exactly_the_mode(tmp_path, given, folder):
    """A umask takes nothing away that is needed, and adds nothing."""
    os.close(open_created(tmp_path / "opened", os.O_WRONLY, given))
    create_file(tmp_path / "created", given)
    create_folder(tmp_path / "folder", given)
    write_durable(tmp_path / "deep" / "er" / "written", b"", mode=given)
    assert folder_mode(given) == folder
    for name in ("opened", "created", "deep/er/written"):
        assert mode(tmp_path / name) == given, name
    for name in ("folder", "deep", "deep/er"):
        assert mode(tmp_path / name) == folder, name


@pytest.mark.usefixtures("_umask")
def test_the_default_is_the_users_alone(tmp_path):
    """Whoever says nothing writes 0600 into 0700; a database as well, before SQLite opens it."""
    write_durable(tmp_path / "folder" / "file", b"")
    migrate(tmp_path / "hening.sqlite")
    found = [mode(tmp_path / name) for name in ("folder", "folder/file", "hening.sqlite")]
    assert found == [0o700, 0o600, 0o600]


def test_asked_of_the_kernel_with_no_wider_mode(tmp_path, monkeypatch):
    """The mode is that of the system call that creates, so that there is no moment before it."""
    asked, really = [], os.open

    def watch(path, flags, given=0o777, **more):
        asked.append(given)
        return really(path, flags, given, **more)

    monkeypatch.setattr(os, "open", watch)
    create_file(tmp_path / "file")
    assert asked == [0o600]


def test_what_is_there_keeps_its_mode(tmp_path):
    """A wide file of an older version is opened as it is; narrowing it is the operator's step."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for name, wide in (("folder", 0o755), ("file", 0o664)):
        (tmp_path / name).chmod(wide)
    create_folder(tmp_path / "folder")
    create_file(tmp_path / "file")
    os.close(open_created(tmp_path / "file", os.O_RDWR))
    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o755, 0o664)
    assert (tmp_path / "file").read_bytes() == b"old"
    with pytest.raises(FileExistsError):
        create_folder(tmp_path / "file")


@pytest.mark.parametrize(
    ("bits", "owner", "private"),
    [
        *((0o600, SERVER, True), (0o400, SERVER, True), (0o640, SERVER, False)),
        *((0o604, SERVER, False), (0o620, SERVER, False), (0o601, SERVER, False)),
        # A credential of systemd: root's, with an access control list for the server's user.
        *((0o440, 0, True), (0o640, 0, True), (0o644, 0, False), (0o660, 0, False)),
        *((0o600, OTHER, True), (0o640, OTHER, False)),
    ],
)
def test_is_private(bits, owner, private):
    """A secret is its owner's and the server's alone; root's may be lent to the server's group."""
    found = os.stat_result((stat.S_IFREG | bits, 0, 0, 1, owner, 0, 0, 0, 0, 0))
    assert is_private(found, SERVER) is private


def test_root_lends_nothing_to_itself():
    """A server of root's needs no group to read root's file."""
    found = os.stat_result((stat.S_IFREG | 0o640, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    assert not is_private(found, 0)
