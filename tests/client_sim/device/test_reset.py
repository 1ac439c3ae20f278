import pytest

from client_sim import transport
from client_sim.device import download
from client_sim.device.errors import StorageError, TransportError
from client_sim.device.phone import Phone
from client_sim.device.reset import finish_reset, reset_phone
from client_sim.persona import make_persona
from tests.client_sim.device import shop
from tests.client_sim.engine.power_cut import CountingDisk, DyingDisk, PowerCut

KEPT = ("image", "slots")
WIPED = ("state", "downloads", "personal")
BLOCK = 16 * 1024


@pytest.fixture
def market():
    """Make a repository that offers build 1 in full."""
    return shop.make_market()


def live_in(folder, repository):
    """Make a phone that has an owner, has polled, and has half a package."""
    shop.make_phone(folder, repository, persona=make_persona(7))
    poll(folder, repository)
    (folder / "downloads" / ("0" * 64 + ".part")).write_bytes(b"half")
    (folder / "personal" / "photos").mkdir()
    (folder / "personal" / "photos" / "1.jpg").write_bytes(b"photo")


def poll(folder, repository):
    """Poll once and return the bytes that left."""
    phone = shop.open_phone(folder, repository)
    assert phone.poll().failure is None
    phone.next_poll()
    return b"".join(phone.world.sent)


def files_of(folder, names):
    """Return the digests of all files below some folders of a phone."""
    return {name: shop.digest_tree(folder / name) for name in names}


def test_nothing_of_the_owner_or_the_polls_stays(tmp_path, market):
    """State, downloads and the owner's data are gone; image and slots are as they were."""
    live_in(tmp_path / "phone", market)
    before = files_of(tmp_path / "phone", KEPT)
    reset_phone(tmp_path / "phone")
    assert files_of(tmp_path / "phone", WIPED) == {name: {} for name in WIPED}
    assert files_of(tmp_path / "phone", KEPT) == before
    assert sorted(path.name for path in (tmp_path / "phone").iterdir()) == sorted((*KEPT, *WIPED))


def test_the_next_poll_is_that_of_a_new_phone(tmp_path, market):
    """It starts from the root in the image, with the bytes of a phone from the factory."""
    live_in(tmp_path / "used", market)
    reset_phone(tmp_path / "used")
    shop.make_phone(tmp_path / "new", market)
    assert poll(tmp_path / "used", market) == poll(tmp_path / "new", market)


def test_the_secret_and_the_due_time_are_drawn_anew(tmp_path, market):
    """A place among a thousand and a due time do not survive their phone's owner."""
    live_in(tmp_path / "phone", market)
    state = Phone(tmp_path / "phone").state
    old = state["secret"]
    reset_phone(tmp_path / "phone")
    assert "due" not in state
    assert "secret" not in state
    phone = shop.open_phone(tmp_path / "phone", market, draws=100)
    assert phone.poll().failure is None
    assert len(old) == 32
    assert phone.state["secret"] not in {old, b""}


def test_the_floor_is_the_running_build_after_a_reset(tmp_path, market):
    """A reset allows no build below the running one."""
    live_in(tmp_path / "phone", market)
    phone = Phone(tmp_path / "phone")
    assert phone.floor == phone.running_build.counter == 1


def test_a_power_cut_at_any_step_leaves_the_old_phone_or_a_new_one(tmp_path, market):
    """Before the mark all is there; behind it the next start completes the reset."""
    live_in(tmp_path / "counted", market)
    disk = CountingDisk()
    reset_phone(tmp_path / "counted", disk=disk)
    assert len(disk.steps) > 15
    outcomes = set()
    for last in range(len(disk.steps)):
        folder = tmp_path / str(last)
        live_in(folder, market)
        before = files_of(folder, WIPED)
        with pytest.raises(PowerCut):
            reset_phone(folder, disk=DyingDisk(last))
        Phone(folder)
        after = files_of(folder, WIPED)
        is_new = after == {name: {} for name in WIPED}
        assert is_new or after == before, last
        assert not (folder / "reset").exists()
        outcomes.add(is_new)
    assert outcomes == {True, False}


def test_a_second_power_cut_is_survived_as_well(tmp_path, market):
    """Completing a reset may be interrupted as often as one likes."""
    live_in(tmp_path / "phone", market)
    with pytest.raises(PowerCut):
        reset_phone(tmp_path / "phone", disk=DyingDisk(4))
    for last in (1, 2, 1):
        with pytest.raises(PowerCut):
            finish_reset(tmp_path / "phone", disk=DyingDisk(last))
    finish_reset(tmp_path / "phone")
    assert files_of(tmp_path / "phone", WIPED) == {name: {} for name in WIPED}


def _break_off(folder, repository):
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


def test_the_next_package_is_asked_for_as_by_a_new_phone(tmp_path, market, monkeypatch):
    """What an interrupted update had reached is forgotten: the first request is for block 0."""
    monkeypatch.setattr(transport, "BLOCK", BLOCK)
    monkeypatch.setattr(download, "BLOCK", BLOCK)
    live_in(tmp_path / "phone", market)
    _break_off(tmp_path / "phone", market)
    assert shop.digest_tree(tmp_path / "phone" / "slots" / "update")
    reset_phone(tmp_path / "phone")
    assert not shop.digest_tree(tmp_path / "phone" / "slots" / "update")
    phone = shop.open_phone(tmp_path / "phone", market)
    assert phone.install().installed == shop.facts(1)
    (first, *_) = [head for head in phone.world.sent if b"/targets/" in head]
    assert b"\r\nRange: bytes=0-16383\r\n" in first


def test_a_link_in_the_owners_data_is_not_followed(tmp_path, market):
    """The link goes, what it points to stays."""
    live_in(tmp_path / "phone", market)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "phone" / "personal" / "link").symlink_to(tmp_path / "elsewhere")
    reset_phone(tmp_path / "phone")
    assert (tmp_path / "elsewhere" / "file").exists()


def test_a_failing_disk_is_a_storage_error(tmp_path):
    """Where there is no folder nothing can be marked."""
    with pytest.raises(StorageError):
        reset_phone(tmp_path / "missing")


class _WornDisk(CountingDisk):
    def remove(self, path):
        """Fail as a worn-out flash chip does."""
        raise OSError(f"input/output error: {path}")


def test_a_disk_that_fails_while_a_reset_is_completed(tmp_path):
    """It is reported, and the mark stays for the next start."""
    (tmp_path / "reset").touch()
    with pytest.raises(StorageError):
        finish_reset(tmp_path, disk=_WornDisk())
    assert (tmp_path / "reset").exists()
