"""Requests and use of packs on disks that are full or damaged."""

import pytest

from client_sim.content.fetch import check_entries
from client_sim.device.client import PollingClient
from client_sim.device.errors import ContentError, StateError, StorageError
from tests.client_sim.content.packs import put_pack
from tests.client_sim.content.polls import ID, MORE, POLL, damage, poll, publish, used
from tests.client_sim.device.fake_world import FakeWorld, State
from tests.server.core.content.samples import entries_of


class FullDisk(State):
    """A state that stores at most `room` new values whose names begin with `prefix`."""

    def __init__(self, prefix, room):
        super().__init__()
        self.prefix, self.room = prefix, room

    def __setitem__(self, name, value):
        if name.startswith(self.prefix) and name not in self:
            if not self.room:
                message = "The phone's disk failed: no space left."
                raise StorageError(message)
            self.room -= 1
        super().__setitem__(name, value)


@pytest.mark.parametrize("prefix", ["part.", "contents."])
def test_requests_do_not_show_a_full_disk(repository, world, prefix):
    """All missing parts of both roles are requested in each poll, with a warning."""
    paths = publish(repository) + publish(repository, "zones", entries_of("zones"))
    paths += publish(repository, "greetings", entries_of("greetings"))
    poll(world)
    asked = [path for path in world.paths if path.startswith("/targets/")]
    assert asked == paths
    everything = len([name for name in world.state if name.startswith(prefix)])
    assert everything > 1
    sent = set()
    for room in range(0, everything, 3):
        full = FakeWorld(repository)
        full.state = FullDisk(prefix, room)
        for _ in range(2):
            outcome = poll(full)
            assert any("no space left" in warning for warning in outcome.warnings)
            sent.add(tuple(path for path in full.paths if path.startswith("/targets/")))
        full.state.room = everything
        assert not poll(full).warnings
        assert used(full) == (1, ID)
        assert used(full, "greetings") == (1, entries_of("greetings"))
    assert len(sent) <= 3  # tables and content, or one of them
    assert tuple(paths) in sent


def test_a_damaged_record_is_fetched_again(repository, world):
    """All parts of its role are fetched in the same poll, and the other role stays."""
    paths = publish(repository)
    publish(repository, "notices", entries_of("notices"), hosts=["example.com"])
    poll(world)
    for data in (b"", b"x", b"{}\n", b"1\n"):
        world.state["contents.tables"] = data
        (warning,) = poll(world).warnings
        assert warning.startswith("The phone's copy of tables is damaged;")
        assert world.paths == [*POLL, *paths]
        assert used(world) == (1, ID)
        assert used(world, "notices") == (1, entries_of("notices"))
        assert not poll(world).warnings
        assert world.paths == POLL


def test_a_damaged_part_is_fetched_again(repository, world):
    """All parts of its kind are fetched in the next poll, whether a query found it or not."""
    paths = publish(repository)
    publish(repository, "zones", entries_of("zones"))
    poll(world)
    for asks in (True, False):
        damage(world, paths[0])
        if asks:
            with pytest.raises(StateError, match="copy of emergency is damaged"):
                used(world)
            assert used(world, "zones") == (1, entries_of("zones"))
        (warning,) = poll(world).warnings
        assert warning == "The phone's copy of emergency is damaged; its polls fetch it again."
        assert world.paths == [*POLL, *paths]
        assert used(world) == (1, ID)
        assert not poll(world).warnings
        assert world.paths == POLL


def test_damaged_part_of_a_new_pack(repository, world):
    """All parts of its kind and the changed parts of others are fetched and used in one poll."""
    paths = publish(repository)
    before = publish(repository, "zones", entries_of("zones"))
    poll(world)
    damage(world, paths[0])
    paths = publish(repository, entries=MORE, version=2)
    zones = {**entries_of("zones"), "WIB": entries_of("zones")["Asia/Jakarta"]}
    changed = [path for path in put_pack(repository, "zones", zones, 2) if path not in before]
    repository.publish("tables")
    paths += changed + publish(repository, "greetings", entries_of("greetings"))
    (warning,) = poll(world).warnings
    assert warning == "The phone's copy of emergency is damaged; its polls fetch it again."
    assert [path for path in world.paths if path.startswith("/targets/")] == paths
    assert len(changed) == 1
    assert (used(world), used(world, "zones")) == ((2, MORE), (2, zones))
    assert used(world, "greetings") == (1, entries_of("greetings"))
    assert not poll(world).warnings
    assert world.paths == POLL


class RottingDisk(State):
    """A state that changes one part as it is stored, the first two times."""

    def __init__(self, sha256):
        super().__init__()
        self.sha256, self.times = sha256, 2

    def __setitem__(self, name, value):
        if name == f"part.{self.sha256}" and self.times:
            self.times -= 1
            value += b"x"
        super().__setitem__(name, value)


def test_part_that_is_damaged_as_it_is_stored(repository, world):
    """Other packs of its role are used; each poll requests all parts of its kind."""
    paths = publish(repository)
    publish(repository, "zones", entries_of("zones"))
    world.state = RottingDisk(paths[1].rpartition("/")[2].split(".")[0])
    (warning,) = poll(world).warnings
    assert warning.startswith("The phone's copy of emergency is damaged")
    assert used(world, "zones") == (1, entries_of("zones"))
    assert poll(world).warnings
    assert world.paths == [*POLL, *paths]
    assert not poll(world).warnings
    assert world.paths == [*POLL, *paths]
    assert used(world) == (1, ID)


@pytest.mark.parametrize("error", [MemoryError(), KeyError("x"), RuntimeError("no thread")])
def test_failed_check_is_repeated(repository, world, monkeypatch, error):
    """A pack that could not be checked is not bad: the next poll checks it without a request."""
    publish(repository)
    publish(repository, "zones", entries_of("zones"))

    def fail(kind, *arguments, **options):
        if kind == "emergency":
            raise error
        check_entries(kind, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("client_sim.content.fetch.check_entries", fail)
        (warning,) = poll(world).warnings
    assert warning.startswith("Version 1 of emergency could not be checked")
    assert repr(error) in warning
    assert used(world, "zones") == (1, entries_of("zones"))
    with pytest.raises(ContentError, match="no emergency yet"):
        used(world)
    assert not poll(world).warnings
    assert world.paths == POLL
    assert used(world) == (1, ID)


def test_disk_that_stores_nothing(world):
    """Each poll ends after the first requests whose result must be stored."""
    world.state = FullDisk("", 0)
    for _ in range(2):
        world.sent.clear()
        assert isinstance(PollingClient(world).poll().failure, StorageError)
        assert world.paths == POLL


def test_a_part_that_cannot_be_read_is_fetched_again(repository, world):
    """A bad sector of the disk is readable again after a write."""
    paths = publish(repository)
    poll(world)
    bad = {"part." + paths[2].rpartition("/")[2].split(".")[0]}

    class BadDisk(State):
        def get(self, name, default=None):
            if name in bad:
                message = "The phone's disk failed: input/output error."
                raise StorageError(message)
            return super().get(name, default)

        def __setitem__(self, name, value):
            bad.discard(name)
            super().__setitem__(name, value)

    world.state = BadDisk(world.state)
    assert poll(world).warnings
    assert world.paths == [*POLL, *paths]
    assert not poll(world).warnings
    assert used(world) == (1, ID)
