"""Nothing that happens to the owner moves a poll: not a byte of it and not its time."""

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

# Signed so late that nothing expires during a story.
SIGNED = START + 4 * DAY
HARMLESS = sorted(set(Kind) - {Kind.FACTORY_RESET})
NEWS = ("nothing", "timestamp", "latest", "root")
days = st.lists(
    st.tuples(st.sampled_from(NEWS), st.lists(st.sampled_from(HARMLESS), max_size=6)),
    min_size=1,
    max_size=4,
)


def publish(repository, news):
    """Let the server have something new."""
    if news == "timestamp":
        repository.refresh()
    elif news == "latest":
        repository.publish("latest")
    elif news == "root":
        repository.publish_root()
        repository.refresh()


def poll_through(repository, story, reads, seed=None, client_class=PollingClient):
    """Poll once a day of `story` and return bytes and due times.

    With a seed the story's events happen in between, to an owner behind a tripwire.
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
            # A system asks every now and then when the next job is due.
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
def test_events_in_any_order_move_nothing(story, seed):
    """Raw bytes, number of connections and due times are those of a phone without an owner.

    Restarts are among the events: the due time survives them. The owner's data is never looked at.
    """
    # One random day drew before the first poll: both phones have one, so neither starts ahead.
    story = [("nothing", []), *story]
    reads = []
    lived = poll_through(Repository(SIGNED), story, reads, seed)
    assert lived == poll_through(Repository(SIGNED), story, reads)
    assert reads == []


class _Gossip(PollingClient):
    """Leaves no byte behind, but polls a second later once a message has come."""

    late = 0

    def on_event(self, event):
        """Notice messages."""
        type(self).late += event.name == Kind.SMS_RECEIVED

    def next_poll(self, now):
        """Be late."""
        return super().next_poll(now) + self.late


class _Curious(PollingClient):
    """Looks at the owner's data and sends nothing of it."""

    def poll(self):
        """Look."""
        if self.world.personal is not None:
            len(self.world.personal.contacts)
        return super().poll()


class _Eager(PollingClient):
    """Asks when a call comes."""

    def on_event(self, event):
        """Ask."""
        if event.name == Kind.CALL_RECEIVED:
            self.poll()


def test_the_comparison_notices_clients_that_are_moved():
    """A time, a look, a request more: each is found by the comparison above."""
    for client_class in (_Gossip, _Curious, _Eager):
        with case(client_class):
            story = [
                ("nothing", []),
                ("latest", [Kind.SMS_RECEIVED, Kind.CALL_RECEIVED]),
                ("nothing", []),
            ]
            reads = []
            lived = poll_through(Repository(SIGNED), story, reads, 1, client_class)
            calm = poll_through(Repository(SIGNED), story, [], None, PollingClient)
            assert lived != calm or reads


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(HARMLESS), max_size=5), st.lists(st.sampled_from(HARMLESS), max_size=5)
)
def test_after_a_factory_reset_a_phone_polls_as_a_new_one(before, after):
    """Whatever happened before and happens behind it: the bytes of the first poll of all."""
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
    """Make a phone on disk that all cases start from, and a repository without an offer."""
    folder = tmp_path_factory.mktemp("factory")
    repository = Repository(shop.NOW)
    shop.make_phone(folder / "phone", repository, persona=make_persona(8))
    return folder / "phone", repository


_numbers = itertools.count()


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=8), st.integers(0, 2**32))
def test_a_phone_on_disk_is_not_moved_either(factory, tmp_path, kinds, seed):
    """The whole phone, with its owner's data on its disk and restarts of its slots."""
    folder, repository = factory
    traces = []
    for lives in (True, False):
        place = tmp_path / str(next(_numbers))
        shutil.copytree(folder, place)
        phone = shop.open_phone(place, repository)
        assert phone.poll().failure is None
        dues = [phone.next_poll()]
        if lives:
            life = OwnerSimulator(place, phone, Tape(seed), None)
            for kind in kinds:
                life.apply_event(kind, shop.NOW)
                dues.append(phone.next_poll())
        assert len(set(dues)) == 1
        again = shop.open_phone(place, repository, draws=10)
        again.world.clock = dues[0]
        assert again.poll().failure is None
        traces.append((b"".join(phone.world.sent + again.world.sent), dues[0], again.next_poll()))
        shutil.rmtree(place)
    assert traces[0] == traces[1]
