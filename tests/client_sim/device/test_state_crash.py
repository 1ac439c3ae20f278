"""A phone loses power before each change of its state, on a real file system.

That a single change is atomic is tested in `test_records`.
"""

import shutil

import pytest
from securesystemslib.signer import CryptoSigner

from client_sim.device.conditions import UpdateSettings, store_settings
from client_sim.device.records import RecordStore
from client_sim.engine.journal import Disk
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import Repository
from tests.client_sim.engine.power_cut import PowerCut


class StateDisk(Disk):
    """Counts the changes of files of `state/`, and loses power before change number `last`."""

    def __init__(self, last=None):
        self.last = last
        self.changes = 0
        self.seen = {}

    def replace(self, source, target):
        """Rename a file."""
        self._change(target.parent)
        super().replace(source, target)

    def remove(self, path):
        """Remove a file."""
        self._change(path.parent)
        super().remove(path)

    def _change(self, folder):
        if folder.name != "state":
            return
        if self.changes == self.last:
            raise PowerCut
        self.changes += 1
        for name, value in RecordStore(folder).items():
            self.seen.setdefault(name, {None}).add(value)


def _open(folder, repository, disk=None):
    """Open a phone a minute after its first poll."""
    return shop.open_phone(folder, repository, disk=disk, now=shop.NOW + 60)


@pytest.fixture
def repository(tmp_path):
    """Make the phone `used`, which has polled, and publish changes of all that it stored."""
    repository = Repository(shop.NOW)
    shop.make_phone(tmp_path / "used", repository)
    phone = _open(tmp_path / "used", repository)
    assert phone.poll().failure is None
    phone.next_poll()
    repository.set_keys("snapshot", [CryptoSigner.generate_ed25519()])
    repository.publish_root()
    links = [shop.add_package(repository, 1), shop.add_package(repository, 1, 0)]
    shop.announce(repository, 1, links)
    del repository.files[shop.path_of(repository, "armani-1-from-0.zip")]
    return repository


def poll(phone):
    """Change a setting, poll, and draw the next due time."""
    store_settings(phone.state, UpdateSettings(asks=True))
    assert phone.poll().offer.counter == 2
    phone.next_poll()


def update(phone):
    """Agree, find the incremental missing, install the full package, start and confirm it."""
    poll(phone)
    if phone.install(is_agreed=True).installed is not None:
        phone.reboot(is_healthy=lambda _build: True)


def roles_of(state):
    """Return the metadata that a phone has stored."""
    return {name: value for name, value in state.items() if name.startswith("role.")}


@pytest.mark.parametrize(("live", "first", "fewest"), [(poll, 0, 8), (update, 8, 14)])
def test_each_record_is_the_old_one_or_the_new_one(tmp_path, repository, live, first, fewest):
    """After a cut each record is one that an undisturbed phone had, and the phone goes on.

    The cuts are before each change of a `role` file, the due time, settings, consent, unusable
    packages and the floor. An update begins with the changes of a poll, which are not cut twice.
    """
    shutil.copytree(tmp_path / "used", tmp_path / "undisturbed")
    counted = StateDisk()
    live(_open(tmp_path / "undisturbed", repository, counted))
    final = RecordStore(tmp_path / "undisturbed" / "state")
    for name, value in final.items():
        counted.seen.setdefault(name, {None}).add(value)
    assert counted.changes > fewest
    for last in range(first, counted.changes):
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "used", folder)
        with pytest.raises(PowerCut):
            live(_open(folder, repository, StateDisk(last)))
        state = RecordStore(folder / "state")
        for name, value in state.items():
            assert value in counted.seen[name], (last, name)
        _go_on(folder, repository, live)
        assert roles_of(state) == roles_of(final), last
        shutil.rmtree(folder)


def _go_on(folder, repository, live):
    """Continue; the power cut may have come after the switch of slots or after the start."""
    phone = _open(folder, repository)
    if phone.boot_state.active != phone.boot_state.running:
        phone.reboot(is_healthy=lambda _build: True)
    if live is poll:
        live(phone)
    elif phone.running_build == shop.facts(0):
        update(phone)
        assert phone.running_build == shop.facts(1)
