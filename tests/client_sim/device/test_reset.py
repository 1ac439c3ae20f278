import shutil

import pytest

from client_sim import transport
from client_sim.device import download
from client_sim.device.errors import StorageError, TransportError
from client_sim.device.phone import Phone
from client_sim.device.reset import finish_reset, reset_phone
from client_sim.persona import make_persona
from tests.client_sim.device import shop
from tests.client_sim.engine.power_cut import CountingDisk, DyingDisk, PowerCut
from tests.client_sim.engine.streamed import snapshot

KEPT = ("image", "slots")
WIPED = ("state", "downloads", "personal")
BLOCK = 16 * 1024


@pytest.fixture
def ota_repository():
    """Make a repository that offers build 1 in full."""
    return shop.make_repository()


def make_used_phone(folder, repository):
    """Make a phone that has an owner, has polled, and has half a package."""
    shop.make_phone(folder, repository, persona=make_persona(7))
    poll(folder, repository)
    (folder / "downloads" / ("0" * 64 + ".part")).write_bytes(b"half")
    (folder / "personal" / "photos").mkdir()
    (folder / "personal" / "photos" / "1.jpg").write_bytes(b"photo")


def poll(folder, repository, draws=0):
    """Poll once and return the bytes that were sent."""
    phone = shop.open_phone(folder, repository, draws=draws)
    assert phone.poll().failure is None
    phone.next_poll()
    return b"".join(phone.world.sent)


def files_of(folder, names):
    """Return all files below some folders of a phone."""
    return {name: snapshot(folder / name) for name in names}


def test_reset_removes_the_owners_data(tmp_path, ota_repository):
    """State, downloads and the owner's data are removed; image and slots stay.

    The floor is the running build's counter. A link is removed, its target is not.
    """
    folder = tmp_path / "phone"
    make_used_phone(folder, ota_repository)
    before = files_of(folder, KEPT)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (folder / "personal" / "link").symlink_to(tmp_path / "elsewhere")
    reset_phone(folder)
    assert (tmp_path / "elsewhere" / "file").exists()
    assert files_of(folder, WIPED) == {name: {} for name in WIPED}
    assert files_of(folder, KEPT) == before
    assert sorted(path.name for path in folder.iterdir()) == sorted((*KEPT, *WIPED))
    phone = Phone(folder)
    assert phone.floor == phone.running_build.counter == 1


def test_poll_after_a_reset_is_that_of_a_new_phone(tmp_path, ota_repository):
    """The next poll starts from the image's root, with a new secret and due time."""
    make_used_phone(tmp_path / "used", ota_repository)
    old = Phone(tmp_path / "used").state["secret"]
    reset_phone(tmp_path / "used")
    assert not {"due", "secret"} & set(Phone(tmp_path / "used").state)
    shop.make_phone(tmp_path / "new", ota_repository)
    assert poll(tmp_path / "used", ota_repository, draws=100) == poll(
        tmp_path / "new", ota_repository
    )
    assert len(old) == 32
    assert Phone(tmp_path / "used").state["secret"] not in {old, b""}


def test_a_power_cut_at_any_step_leaves_the_old_phone_or_a_new_one(tmp_path, ota_repository):
    """Until the mark is written nothing is removed; then the next start completes the reset."""
    make_used_phone(tmp_path / "lived", ota_repository)
    before = files_of(tmp_path / "lived", WIPED)
    shutil.copytree(tmp_path / "lived", tmp_path / "counted")
    disk = CountingDisk()
    reset_phone(tmp_path / "counted", disk=disk)
    assert len(disk.steps) > 15
    outcomes = set()
    for last in range(len(disk.steps)):
        folder = tmp_path / str(last)
        shutil.copytree(tmp_path / "lived", folder)
        with pytest.raises(PowerCut):
            reset_phone(folder, disk=DyingDisk(last))
        Phone(folder)
        after = files_of(folder, WIPED)
        is_new = after == {name: {} for name in WIPED}
        assert is_new or after == before, last
        assert not (folder / "reset").exists()
        outcomes.add(is_new)
    assert outcomes == {True, False}


def test_completing_a_reset_can_be_interrupted(tmp_path, ota_repository):
    """The reset is completed after any number of power cuts."""
    make_used_phone(tmp_path / "phone", ota_repository)
    with pytest.raises(PowerCut):
        reset_phone(tmp_path / "phone", disk=DyingDisk(4))
    for last in (1, 2, 1):
        with pytest.raises(PowerCut):
            finish_reset(tmp_path / "phone", disk=DyingDisk(last))
    finish_reset(tmp_path / "phone")
    assert files_of(tmp_path / "phone", WIPED) == {name: {} for name in WIPED}


def _interrupt_installation(folder, repository):
    """Begin an installation and lose the network in the fourth block."""
    answer, asked = repository.answer, []

    def lose(head):
        if b"/targets/" in head:
            asked.append(head)
            if len(asked) == 4:
                raise OSError("tunnel")
        return answer(head)

    repository.answer = lose
    with pytest.raises(TransportError):
        shop.open_phone(folder, repository).install()
    repository.answer = answer


def test_download_after_a_reset_starts_at_block_0(tmp_path, ota_repository, monkeypatch):
    """The progress of an interrupted update is forgotten."""
    monkeypatch.setattr(transport, "BLOCK", BLOCK)
    monkeypatch.setattr(download, "BLOCK", BLOCK)
    make_used_phone(tmp_path / "phone", ota_repository)
    _interrupt_installation(tmp_path / "phone", ota_repository)
    assert snapshot(tmp_path / "phone" / "slots" / "update")
    reset_phone(tmp_path / "phone")
    assert not snapshot(tmp_path / "phone" / "slots" / "update")
    phone = shop.open_phone(tmp_path / "phone", ota_repository)
    assert phone.install().installed == shop.facts(1)
    (first, *_) = [head for head in phone.world.sent if b"/targets/" in head]
    assert b"\r\nRange: bytes=0-16383\r\n" in first


class _WornDisk(CountingDisk):
    def remove(self, path):
        """Fail as a worn-out flash chip does."""
        raise OSError(f"input/output error: {path}")


def test_a_failing_disk(tmp_path):
    """Without its folder a phone cannot be marked; a mark stays until the reset is complete."""
    with pytest.raises(StorageError):
        reset_phone(tmp_path / "missing")
    (tmp_path / "reset").touch()
    with pytest.raises(StorageError):
        finish_reset(tmp_path, disk=_WornDisk())
    assert (tmp_path / "reset").exists()
