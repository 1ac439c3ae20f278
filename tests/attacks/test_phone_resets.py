"""Connections that are reset at every byte, in both directions.

A poll without news is some thousand bytes: it is cut off after each of them, and so are its own
requests. Longer sessions, a first poll and an installation, are cut off at every byte around the
ends of answers and at many in between. The phone never takes a part for the whole, asks for nothing
else, and resumes where it was.
"""

import pytest

from client_sim.device.client import PollingClient
from client_sim.device.errors import TransportError
from client_sim.device.internet import RealWorld
from client_sim.lab.oracles.grammar import find_violations
from tests.attacks.hostile_server import RESET, hostile_server
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import HOST, make_public
from tests.client_sim.device.repository_simulator import START, Repository


class Session:
    """A phone in memory that polls a hostile server on loopback."""

    def __init__(self, server):
        self.server = server
        self.repository = server.repository = Repository()
        self.repository.offer()
        self.state = {}
        server.behave()
        server.forget()

    def poll(self):
        """Poll once from the present state."""
        world = RealWorld(
            make_public(self.repository, port=self.server.port),
            self.state,
            now=lambda: float(START),
            entropy=lambda n: bytes(range(n)),
            resolver={HOST: ["127.0.0.1"]},
        )
        return PollingClient(world).poll()

    def measure(self):
        """Poll from a copy of the state with valid answers; returns the sizes of the answers."""
        sizes = []

        def note(_path, answer):
            sizes.append(len(answer))
            return [answer]

        kept, self.state = self.state, dict(self.state)
        self.server.reply = note
        assert self.poll().failure is None
        self.server.behave()
        self.state = kept
        return sizes

    def check_sent(self):
        """Check every byte that left the phone, and forget it."""
        host = f"{HOST}:{self.server.port}".encode()
        for data in self.server.received:
            assert find_violations(data, host) == ()
        assert self.server.failures == []
        self.server.forget()


@pytest.fixture(scope="module")
def server():
    """Run one server for all."""
    with hostile_server() as running:
        yield running


@pytest.fixture
def session(server):
    """Make a phone that has never polled."""
    return Session(server)


def test_poll_reset_after_each_answer_byte(session):
    """No state is lost and no answer is accepted; with the last byte it is a poll."""
    assert session.poll().failure is None
    before = dict(session.state)
    total = sum(session.measure())
    assert total > 500
    for size in range(total):
        session.server.send_limit = size + 1
        outcome = session.poll()
        if size + 1 < total:
            assert isinstance(outcome.failure, TransportError), size
        assert outcome.offer is None or size + 1 == total
        assert session.state == before
    session.server.behave()
    assert session.poll().failure is None
    session.check_sent()


def test_poll_reset_after_each_request_byte(session):
    """A server that closes in the middle of a request receives no other request."""
    assert session.poll().failure is None
    before = dict(session.state)
    session.server.forget()
    session.poll()
    (whole,) = session.server.received
    for size in range(1, len(whole) + 1):
        session.server.read_limit = size
        outcome = session.poll()
        assert isinstance(outcome.failure, TransportError), size
        assert session.state == before
    # What was read is a prefix of the usual request.
    assert all(whole.startswith(data) for data in session.server.received)
    session.server.forget()
    session.server.behave()
    assert session.poll().failure is None
    session.check_sent()


def _places(sizes, step):
    """Return places in a session: around the end of each answer, and every `step` bytes."""
    total, end, places = sum(sizes), 0, set(range(1, sum(sizes), step))
    for size in sizes:
        end += size
        places |= set(range(end - 12, end + 12))
    return sorted(place for place in places if 0 < place < total)


@pytest.mark.parametrize("keeps", [False, True])
def test_first_poll_reset_in_each_answer(session, keeps):
    """The phone restarts or resumes, and ends with the same state and the same offer.

    After the proof of `latest`, the sixth answer, the offer is made and the outcome says what is
    missing.
    """
    sizes = session.measure()
    assert len(sizes) == 10
    assert session.poll().offer is not None
    whole, session.state = session.state, {}
    session.server.forget()
    for place in _places(sizes, 97):
        if not keeps:
            session.state.clear()
        session.server.send_limit = place
        outcome = session.poll()
        # What is stored of one poll makes the next one shorter, until none of it is cut off.
        if place < sum(sizes[:6]):
            assert keeps or isinstance(outcome.failure, TransportError), place
        else:
            assert outcome.offer is not None
            assert keeps or outcome.warnings, place
        roles = {name: data for name, data in session.state.items() if name.startswith("role.")}
        assert roles.items() <= whole.items()
    session.server.behave()
    assert session.poll().offer is not None
    assert {n: d for n, d in session.state.items() if n != "secret"} == {
        n: d for n, d in whole.items() if n != "secret"
    }
    session.check_sent()


def test_installation_reset_repeatedly(attacked):
    """The limit grows from try to try; only whole answers are stored, and the last try succeeds."""
    tries, limit = 0, 1
    while True:
        attacked.server.send_limit = limit
        found = attacked.install()
        if found != "refused":
            break
        assert isinstance(attacked.error, TransportError), repr(attacked.error)
        if tries % 25 == 0:
            attacked.check_unharmed()
        tries += 1
        limit += 101 if limit < 10_000 else 3_001
    assert found == shop.facts(1)
    assert tries > 30
    attacked.server.behave()
    attacked.check_updated()
    attacked.check_sent()


def test_package_reset_at_each_step(attacked):
    """A block is stored when it is complete; after each reset the phone asks for the same block."""
    size = len(shop.package(1, 0))
    attacked.poll()
    for place in sorted({1, 2, 300, 600, size // 2, size - 1, size, size + 1}):
        attacked.server.reply = lambda path, answer, place=place: [
            answer if not path.startswith("/targets/") else answer[:place],
            *([] if not path.startswith("/targets/") else [RESET]),
        ]
        assert attacked.install() == "refused"
        assert isinstance(attacked.error, TransportError)
    attacked.check_unharmed()
    attacked.server.behave()
    assert attacked.install() == shop.facts(1)
    attacked.check_updated()
    attacked.check_sent()
