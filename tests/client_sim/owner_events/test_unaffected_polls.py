"""Events of the owner change neither the bytes nor the time of a poll."""

import itertools
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client_sim.device.client import PollingClient
from client_sim.lab.trace.recording import Tripwire
from client_sim.owner_events.events import Kind, apply_event
from client_sim.owner_events.owner_simulator import OwnerSimulator
from client_sim.persona import make_persona
from client_sim.tape import Tape
from tests.cases import case
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import DAY, START, Repository

# Signed late enough that nothing expires during a story.
SIGNED = START + 4 * DAY
HARMLESS = sorted(set(Kind) - {Kind.FACTORY_RESET})
NEWS = ("nothing", "timestamp", "latest", "root")
days = st.lists(
    st.tuples(st.sampled_from(NEWS), st.lists(st.sampled_from(HARMLESS), max_size=6)),
    min_size=1,
    max_size=4,
)


def publish(repository, news):
    """Publish something new, or nothing."""
    if news == "timestamp":
        repository.refresh()
    elif news == "latest":
        repository.publish("latest")
    elif news == "root":
        repository.publish_root()
        repository.refresh()


def poll_through(repository, story, reads, seed=None, client_class=PollingClient):
    """Poll once a day of `story` and return bytes and due times.

    With a seed the story's events happen between the polls, and a tripwire watches the owner's
    data.
    """
    world = FakeWorld(repository)
    owner, tape = make_persona(seed or 0), Tape(seed or 0)
    client = client_class(world)
    trace = []
    for news, kinds in story:
        publish(repository, news)
        for kind in kinds if seed is not None else ():
            owner, event = apply_event(kind, owner, tape, int(world.clock))
            world.personal = Tripwire(owner, reads.append)
            if kind is Kind.REBOOT:
                client = client_class(world)
            client.on_event(event)
            # A system may ask at any time when the next job is due.
            client.next_poll(world.clock)
        world.sent.clear()
        outcome = client.poll()
        assert outcome.failure is None
        due = client.next_poll(world.clock)
        trace.append((b"".join(world.sent), len(world.connected), due))
        world.clock = due
    return trace


@settings(deadline=None, max_examples=40)
@given(days, st.integers(0, 2**32))
def test_events_change_no_poll(story, seed):
    """Bytes, connections and due times are those of a phone without an owner.

    Restarts are among the events, and the owner's data is never read.
    """
    # Both phones have drawn a due time before the events begin.
    story = [("nothing", []), *story]
    reads = []
    eventful = poll_through(Repository(SIGNED), story, reads, seed)
    assert eventful == poll_through(Repository(SIGNED), story, reads)
    assert reads == []


class _LateClient(PollingClient):
    """A client that polls a second later after each received message."""

    late = 0

    def on_event(self, event):
        """Count received messages."""
        type(self).late += event.name == Kind.SMS_RECEIVED

    def next_poll(self, now):
        """Add the delay."""
        return super().next_poll(now) + self.late


class _ReadingClient(PollingClient):
    """A client that reads the owner's data and sends nothing of it."""

    def poll(self):
        """Read the contacts, then poll."""
        if self.world.personal is not None:
            len(self.world.personal.contacts)
        return super().poll()


class _EagerClient(PollingClient):
    """A client that polls when a call is received."""

    def on_event(self, event):
        """Poll after a call."""
        if event.name == Kind.CALL_RECEIVED:
            self.poll()


def test_comparison_detects_affected_clients():
    """A later poll, a read of the owner's data and a further poll are each detected."""
    for client_class in (_LateClient, _ReadingClient, _EagerClient):
        with case(client_class):
            story = [
                ("nothing", []),
                ("latest", [Kind.SMS_RECEIVED, Kind.CALL_RECEIVED]),
                ("nothing", []),
            ]
            reads = []
            eventful = poll_through(Repository(SIGNED), story, reads, 1, client_class)
            calm = poll_through(Repository(SIGNED), story, [], None, PollingClient)
            assert eventful != calm or reads


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(HARMLESS), max_size=5), st.lists(st.sampled_from(HARMLESS), max_size=5)
)
def test_poll_after_a_factory_reset(before, after):
    """The poll has the bytes of a first poll, whatever happens before and after the reset."""
    repository = Repository(SIGNED)
    world = FakeWorld(repository)
    client = PollingClient(world)
    assert client.poll().failure is None
    first = b"".join(world.sent)
    client.next_poll(world.clock)
    owner, tape = make_persona(1), Tape(1)
    for kind in (*before, Kind.FACTORY_RESET, *after):
        owner, event = apply_event(kind, owner, tape, int(world.clock))
        if kind is Kind.FACTORY_RESET:
            world.state.clear()
        client = PollingClient(world)
        client.on_event(event)
    world.sent.clear()
    assert client.poll().failure is None
    assert b"".join(world.sent) == first


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    """Make a phone on disk that all cases copy, and a repository without an offer."""
    folder = tmp_path_factory.mktemp("factory")
    repository = Repository(shop.NOW)
    shop.make_phone(folder / "phone", repository, persona=make_persona(8))
    return folder / "phone", repository


_numbers = itertools.count()


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=8), st.integers(0, 2**32))
def test_events_change_no_poll_of_a_phone_on_disk(factory, tmp_path, kinds, seed):
    """The whole phone, with its owner's data on its disk and restarts of its slots."""
    folder, repository = factory
    traces = []
    for has_events in (True, False):
        place = tmp_path / str(next(_numbers))
        shutil.copytree(folder, place)
        phone = shop.open_phone(place, repository)
        assert phone.poll().failure is None
        dues = [phone.next_poll()]
        if has_events:
            simulator = OwnerSimulator(place, phone, Tape(seed), None)
            for kind in kinds:
                simulator.apply_event(kind, shop.NOW)
                dues.append(phone.next_poll())
        assert len(set(dues)) == 1
        again = shop.open_phone(place, repository, draws=10)
        again.world.clock = dues[0]
        assert again.poll().failure is None
        traces.append((b"".join(phone.world.sent + again.world.sent), dues[0], again.next_poll()))
        shutil.rmtree(place)
    assert traces[0] == traces[1]
