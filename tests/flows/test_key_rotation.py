"""Rotation of the online keys, and recovery from theft of the key for `latest`, with phones.

Other thefts are in `test_key_incidents.py` and `tests/attacks/test_online_thefts.py`. Here
python-tuf signs in place of the offline signers, with the ceremony's keys.
"""

from datetime import timedelta

import msgspec
import pytest

from client_sim.device.errors import AgreementError, LogError
from client_sim.transport import Connection
from server.publisher.errors import PublishError
from server.publisher.keys.online_keys import HOLDERS, load_online_keys
from server.publisher.keys.rotation import make_next_keys, switch_keys
from tests.flows.cached_phones import FAR, NOTHING, CachedPhone, Edge, Thief
from tests.server.log_invariant import check_log
from tests.server.world import CHANNEL, FIRST, PACKAGE_2, SECOND, refresh_from_disk

POINTER = CHANNEL.pointer_path


def held(world):
    """Return the keys that the server has now."""
    return load_online_keys(world.folder.keys)


def new(world, *names):
    """Make next keys."""
    world.run(lambda publisher: make_next_keys(publisher, world.folder, names))


def switch(world, *names, **options):
    """Switch to the next keys and return the switched roles."""
    return world.run(
        lambda publisher: switch_keys(publisher, world.folder, names, world.now, **options)
    )


def listing(keys, *, former):
    """Return by role the keys that root or targets list: next keys, and former if `former`."""
    listed = {}
    for role, signer in keys.signers.items():
        following = keys.next_signers.get(role)
        both = [signer.public_key] if former or following is None else []
        listed[role] = [*both, following.public_key] if following else both
    return listed


def publish_root(world, version, *, former, targets=False):
    """Sign a root that lists the server's keys, as in its public.json, and publish it."""
    keys = held(world)
    listed = listing(keys, former=former)
    log = keys.log_keys[-1].verifier
    files = {("root", version): world.ceremony.root(version, listed, log)}
    if targets:
        files["targets", version] = world.ceremony.targets(version, latest=listed["latest"])
    assert world.publish(files).reason == ""


class PollingFleet:
    """Phones with different caches, which store different answers; all poll every 20 s."""

    def __init__(self, world):
        self.world = world
        # A cache may evict any answer, so two stored answers can differ in age.
        self.edges = [Edge(world, keeps=keeps) for keeps in ("", "root", "timestamp", "proof")]
        self.awake = [CachedPhone(edge) for edge in self.edges]
        self.asleep = []

    def live(self, seconds):
        """Let time pass. At the end two caches are emptied, and one phone goes offline."""
        self._ask([CachedPhone(edge) for edge in self.edges])
        for _ in range(seconds // 20):
            self._ask(self.awake)
            self.world.ahead += timedelta(seconds=20)
        for edge in self.edges[1:3]:
            edge.kept.clear()
        sleeper = CachedPhone(Edge(self.world, keeps=NOTHING))
        self._ask([*self.awake, sleeper])
        self.asleep.append(sleeper)

    def _ask(self, phones):
        for phone in phones:
            assert phone.update() == FIRST


def test_planned_rotation(world):
    """Every phone keeps updating, whenever it polls and through whichever cache."""
    fleet = PollingFleet(world)
    fleet.live(80)
    new(world, *HOLDERS)
    fleet.live(80)
    former, following = held(world).log_keys
    publish_root(world, 2, former=True, targets=True)
    fleet.live(60)
    for name in ("snapshot", "timestamp", "log"):
        with pytest.raises(PublishError, match="public for less than 75 s"):
            switch(world, "latest", name)
    assert switch(world, "latest") == ["latest"]
    fleet.live(20)
    assert check_log(world.folder, former.verifier.public)
    assert switch(world, *HOLDERS) == ["snapshot", "timestamp", "log"]
    fleet.live(80)
    publish_root(world, 3, former=False, targets=True)
    fleet.live(80)
    for sleeper in fleet.asleep:
        assert sleeper.update() == FIRST
    assert world.published().root.version == 3
    assert check_log(world.folder, following.verifier.public)
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] is not None
    assert world.alarms == []


def test_stale_root_after_theft(world):
    """After a theft the keys do not overlap; a phone that got no new root polls again later."""
    edge = Edge(world)
    phone = CachedPhone(edge)
    assert phone.update() == FIRST
    new(world, "snapshot", "timestamp")
    publish_root(world, 2, former=False)
    world.ahead += timedelta(seconds=45)
    assert phone.update() == FIRST  # all of it from the cache
    edge.kept.pop("/metadata/timestamp.json")
    assert "timestamp" in str(phone.poll().failure)
    world.ahead += timedelta(seconds=15)
    assert phone.update() == FIRST
    assert switch(world, "snapshot", "timestamp") == ["snapshot", "timestamp"]
    assert phone.update() == FIRST


def test_stolen_latest_key(world):
    """The key alone has no effect; with all online keys, signed releases can be chosen."""
    honest = Edge(world, keeps=NOTHING)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    first = world.published().pointers()
    thief = Thief(honest, world.keys)
    version = world.published().roles["latest"].version
    thief.latest(version, {}, is_proven=False)
    assert isinstance(CachedPhone(thief).poll().failure, LogError)
    # With all online keys, the thief can offer a signed release early.
    offered = world.offer(2)(world.published())
    step = far_ahead(thief, offered)
    phone = CachedPhone(honest)
    assert phone.update(thief) == SECOND
    # Releases that the maintainers did not sign are not installed, whatever the pointer says.
    forged = [{"sha256": "0" * 64}, {"length": 7}, {"path": "armani/id/stable/other.zip"}]
    for change in forged:
        victim = CachedPhone(thief)
        pretended = with_package(offered, change)
        far_ahead(thief, pretended)
        outcome = victim.poll()
        assert outcome.failure is None
        with Connection(victim.world) as connection, pytest.raises(AgreementError):
            victim.client.fetch_release(outcome.offer, connection)
    assert step == FAR
    # The phone with the high version of latest is stuck until the keys of snapshot and timestamp
    # are rotated; latest itself is reset with targets.
    assert "older" in phone.poll().warnings[0]
    new(world, *HOLDERS)
    publish_root(world, 2, former=False, targets=True)
    assert world.published().pointers() == first
    assert phone.update() == FIRST
    assert phone.poll(thief).failure is not None
    assert switch(world, *HOLDERS, at_once=True) == list(HOLDERS)
    assert phone.update() == FIRST
    assert CachedPhone(honest).update() == FIRST


def test_new_latest_key(world):
    """No cache has to expire first, and the stolen key has no effect from then on."""
    edge = Edge(world)
    phone = CachedPhone(edge)
    assert phone.update() == FIRST
    new(world, "latest")
    listed = listing(held(world), former=False)
    files = {("targets", 2): world.ceremony.targets(2, latest=listed["latest"])}
    assert world.publish(files).reason == ""
    assert phone.update() == FIRST
    edge.kept.pop("/metadata/timestamp.json")
    assert phone.update() == FIRST
    thief = Thief(Edge(world, keeps=NOTHING), world.keys)
    thief.latest(world.published().roles["latest"].version, world.published().pointers())
    assert "latest" in str(CachedPhone(thief).poll().failure)
    assert switch(world, "latest") == ["latest"]
    assert phone.update() == FIRST


def far_ahead(thief, pointers):
    """Have the thief publish pointers under versions that no honest server reaches."""
    thief.latest(FAR, pointers)
    thief.snapshot(FAR, latest=FAR)
    thief.timestamp(FAR, FAR)
    return FAR


def with_package(pointers, change):
    """Return the pointers with members of the final step's full package changed."""
    pointer = pointers[POINTER]
    *steps, last = pointer.steps
    package = msgspec.structs.replace(last.packages[0], **change)
    last = msgspec.structs.replace(last, packages=[package])
    return {POINTER: msgspec.structs.replace(pointer, steps=[*steps, last])}
