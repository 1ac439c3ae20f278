"""One poll's requests reach several nodes, some of which lag: no phone fails or goes back."""

import itertools
from datetime import timedelta
from http import HTTPStatus

import pytest

from client_sim.lab.servers.caches import memoised
from server.device.answer import plan_answer
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.keys.online_keys import HOLDERS
from server.storage.local_blobs import LocalBlobs
from tests.flows.cached_phones import CachedPhone
from tests.flows.test_key_rotation import new, publish_root, switch
from tests.server.world import PACKAGE_2

NODES = ("newest", "one behind", "two behind")


def load(world):
    """Return the snapshot of a node that has read a world's tree."""
    return load_snapshot(world.folder.public, LocalBlobs(world.folder.blobs), EMPTY)


@pytest.fixture(scope="module")
def states(published_state, tmp_path_factory):
    """Return the world, and snapshots of three moments, by how far a node with them lags."""
    world = published_state.copy(tmp_path_factory.mktemp("lagging") / "state")
    found = {"two behind": load(world)}
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    found["one behind"] = load(world)
    files = {("root", 2): world.ceremony.root(2), ("tables", 2): world.ceremony.role("tables", 2)}
    assert world.publish(files).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    found["newest"] = load(world)
    return world, found


@pytest.fixture(scope="module")
def rotation(published_state, tmp_path_factory):
    """Return a world in which all online keys are rotated, and the snapshots between the steps."""
    world = published_state.copy(tmp_path_factory.mktemp("rotation") / "state")
    found = {"former keys": load(world)}
    new(world, *HOLDERS)
    found["log signed by both"] = load(world)
    publish_root(world, 2, former=True, targets=True)
    found["root with both"] = load(world)
    world.ahead += timedelta(seconds=80)
    switch(world, *HOLDERS)
    found["signed by the new"] = load(world)
    publish_root(world, 3, former=False, targets=True)
    found["root with the new"] = load(world)
    return world, found


@pytest.fixture(scope="module")
def theft(published_state, tmp_path_factory):
    """Return a world whose stolen timestamp key one root replaces, and the snapshots around it."""
    world = published_state.copy(tmp_path_factory.mktemp("theft") / "state")
    found = {"stolen key": load(world)}
    new(world, "timestamp")
    publish_root(world, 2, former=False)
    found["next key"] = load(world)
    return world, found


@pytest.fixture(scope="module", autouse=True)
def _same_signatures_are_verified_once(request):
    """Cache what a thousand polls verify; nothing is published or signed from here on."""
    for name in ("states", "rotation", "theft"):
        request.getfixturevalue(name)
    with memoised():
        yield


class OneName:
    """Nodes with one name: one node gets the first `cut` requests, another node the others.

    A node that lacks a file waits for its next snapshot, as `server.device.plane` does.
    """

    def __init__(self, world, states, first, second, cut):
        self.world = world
        self._newest = list(states.values())[-1]
        self._nodes = {name: states[name] for name in (first, second)}
        self._asked = itertools.chain(itertools.repeat(first, cut), itertools.repeat(second))

    def answer(self, path):
        """Return the status and body for a path."""
        name = next(self._asked)
        snapshot = self._nodes[name]
        answer = plan_answer(snapshot, "GET", path, [])
        if answer.status == HTTPStatus.NOT_FOUND and path != snapshot.next_root:
            self._nodes[name] = self._newest
            answer = plan_answer(self._newest, "GET", path, [])
        return answer.status, answer.body


@pytest.mark.parametrize("held", ["nothing", *NODES])
@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(NODES, 2)))
def test_poll_across_two_nodes(states, held, first, second):
    """A poll may change nodes after any request; the phone polled one of the nodes before, or none.

    A poll that meets older files than the phone has finds nothing new, and a later poll completes.
    """
    world, moments = states

    def at(name, other, cut):
        return OneName(world, moments, name, other, cut)

    for cut in range(1, 14):
        phone = CachedPhone(at(first, second, cut))
        if held != "nothing":
            before = phone.poll(at(held, held, 0))
            assert before.failure is None
        outcome = phone.poll(at(first, second, cut))
        assert outcome.failure is None, (cut, outcome.reason)
        if held != "nothing":
            versions = dict(before.versions)
            assert all(versions.get(role, 0) <= number for role, number in outcome.versions)
        last = phone.poll(at("newest", "newest", 0))
        assert last.failure is None
        assert dict(last.versions)["timestamp"] == moments["newest"].version
        assert last.offer.counter == 2


def poll_between(world, moments, order, held, cut):
    """Poll a first node, then poll with a change of nodes after `cut` requests.

    Returns the outcome, and that of a later poll of the second node alone.
    """
    phone = CachedPhone(OneName(world, moments, *order, cut))
    before = phone.poll(OneName(world, moments, held, held, 0))
    assert before.failure is None
    outcome = phone.poll(OneName(world, moments, *order, cut))
    versions = dict(before.versions)
    assert all(versions.get(role, 0) <= number for role, number in outcome.versions)
    return outcome, phone.poll(OneName(world, moments, order[1], order[1], 0))


def test_poll_across_nodes_during_rotation(rotation):
    """Between nodes that are one step apart, no phone that had polled the older one fails."""
    world, moments = rotation
    for one, other in itertools.pairwise(moments):
        for order, cut in itertools.product(((one, other), (other, one)), range(1, 14)):
            outcome, _ = poll_between(world, moments, order, one, cut)
            assert outcome.failure is None, (order, cut, outcome.reason)


def test_poll_across_nodes_after_theft(theft):
    """The poll fails if the nodes change between root and timestamp; the next poll succeeds."""
    world, moments = theft
    stolen, other = moments
    for order, between in (((stolen, other), 1), ((other, stolen), 2)):
        for cut in range(1, 14):
            outcome, after = poll_between(world, moments, order, stolen, cut)
            assert (outcome.failure is not None) == (cut == between), (order, cut, outcome.reason)
            assert outcome.failure is None or "timestamp was signed by 0/1" in outcome.reason
            assert after.failure is None
