"""Pairs of hostile servers: clean clients leave equal traces with both servers of a pair."""

import hashlib
import re
from email.utils import parsedate_to_datetime

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.equality import find_differences
from client_sim.lab.oracles.judging import judge_grammar
from client_sim.lab.programme.batteries.offers import install_state
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.scenarios.driving import POLL, Scenario
from client_sim.lab.servers.contents import Publication, release
from client_sim.lab.servers.fault import INSTALL_PLACES, is_at
from client_sim.lab.servers.hostile import (
    HOSTILE,
    INSTALLING,
    SMALL_PARTS,
    STOCKED_PARTS,
    TOGETHER,
)
from client_sim.lab.servers.packs import PARTS
from client_sim.lab.servers.replies import FIRST, OTHERS, only_at
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Entropy
from client_sim.persona import make_persona

OWNER = make_persona(1)
BY_NAME = {pair.name: pair for pair in HOSTILE}
HISTORY = (Publication("release", release(1000), connection=1),)


@pytest.fixture
def run(repository):
    """Run a client against both servers of a pair, which answer its first two polls of three."""

    def run_both(factory, pair, connections=(0, 1)):
        return [
            observe(
                factory,
                Setting(
                    public=repository.public("armani", "id", "stable"),
                    personal=OWNER,
                    entropy=Entropy(b"seed"),
                    start=1_767_225_600.0,
                    serve=lambda wrap=wrap: only_at(connections, wrap)(repository.serve(HISTORY)),
                    scenario=Scenario("three polls", (POLL,) * 3),
                ),
            )
            for wrap in (pair.first, pair.second)
        ]

    return run_both


def differs(one, other):
    """Return whether two runs left different traces, including times."""
    return find_differences(one, other, with_time=True) != ()


def test_phone_leaves_equal_traces(run, repository):
    """It sends the same requests to both servers, and continues afterwards."""
    for name, pair in BY_NAME.items():
        one, other = run(PollingClient, pair)
        # Slower answers move the clock, as the server knows.
        assert not find_differences(one, other, with_time=not pair.is_timed), name
        assert (one.received == other.received) == (pair.field == "pieces" and not pair.is_timed)
        public = repository.public("armani", "id", "stable")
        assert judge_grammar(one, public) == ()
        assert "poll 3" not in one.failures, name
        assert "can be installed" in one.outcomes[2]
        assert list(one.failures) == list(other.failures)


class Echo(ToyClient):
    """Sends a digest of everything that it received."""

    heard = b""

    def open(self):
        """Hash what the connection receives."""
        stream = super().open()
        inner, receive = self, stream.recv

        def recv(limit):
            data = receive(limit)
            inner.heard = hashlib.sha256(inner.heard + data).digest()
            return data

        stream.recv = recv
        return stream

    def headers(self):
        """Add the digest."""
        return (*super().headers(), f"X-Heard: {self.heard.hex()}")


def test_servers_of_a_pair_differ(run):
    """A client that sends back what it received leaves different traces.

    It receives no proof, because it only requests root and timestamp.
    """
    for name in [p.name for p in HOSTILE if p.field not in {"pieces", "proof"}]:
        assert differs(*run(Echo, BY_NAME[name])), name


def test_pieces_of_answers_differ(run):
    """Their times and sizes show in the due times of a client that depends on them."""

    class PieceDelay(Echo):
        def next_poll(self, now):
            return now + 20_000 + self.heard[0]

    assert not differs(*run(ToyClient, BY_NAME["times of the pieces"]))
    assert differs(*run(PieceDelay, BY_NAME["times of the pieces"]))
    assert differs(*run(PieceDelay, BY_NAME["sizes of the pieces"]))


def test_marks_differ_in_every_bit():
    """A client that sends back one bit of a mark is found: of a number, a text or a date."""
    marks = (FIRST, *OTHERS)
    for bit in range(16):
        assert {mark.number >> bit & 1 for mark in marks} == {0, 1}
    assert {len(mark.text) % 2 for mark in marks} == {0, 1}
    assert {sum(mark.text.encode()).bit_count() % 2 for mark in marks} == {0, 1}
    assert {len(str(mark.number)) % 2 for mark in marks} == {0, 1}
    for mark in marks:
        assert parsedate_to_datetime(mark.date).strftime("%a, %d %b %Y %H:%M:%S GMT") == mark.date
    dates = [parsedate_to_datetime(mark.date).timetuple() for mark in marks]
    for part in zip(*(date[2:6] for date in dates), strict=True):
        assert {number % 2 for number in part} == {0, 1}


def test_there_is_a_pair_for_each_field():
    """By which servers can recognise clients; names are unique."""
    assert len(BY_NAME) == len(HOSTILE)
    wanted = """ETag Set-Cookie Last-Modified Location Link Content-Location Refresh Retry-After
        Cache-Control Age Expires Alt-Svc Strict-Transport-Security Public-Key-Pins order case
        Server Date Via WWW-Authenticate Proxy-Authenticate Accept-CH Critical-CH Vary Accept-Ranges
        Connection Keep-Alive 1xx reason Transfer-Encoding gzip metadata pieces proof"""
    assert set(wanted.split()) <= {pair.field for pair in HOSTILE}


def test_second_server_of_a_pair_changes_its_mark(run):
    """With each answer, so a client that sends back one bit of it differs sometime."""
    one, other = run(ToyClient, BY_NAME["strong validator"], connections=range(3))
    tags = [re.findall(rb"ETag: (.+?)\r\n", b"".join(seen.received)) for seen in (one, other)]
    assert len(set(tags[0])) == 1
    assert len(set(tags[1])) == len(tags[1]) > 3


def test_phone_accepts_answers_with_all_fields(run):
    """A pair of servers sends every field in each answer."""
    for seen in run(PollingClient, TOGETHER, connections=range(3)):
        assert not seen.failures
        head = seen.received[0].split(b"\r\n\r\n")[0]
        assert len(re.findall(rb"\r\n", head)) > 45


REFUSALS = [pair.name for pair in INSTALLING if pair.name[:3].isdigit()]
PARTS_OF_TABLES = "/targets/tables/"


@pytest.fixture(scope="module")
def battery():
    """Make the battery in which phones that install meet hostile servers."""
    return install_state(plan_testbed(PollingClient, 1), 1000)


def has_received(seen, mark):
    """Return whether a phone received a value of a mark."""
    values = (mark.text, str(mark.number), mark.date)
    return any(value.encode() in data for data in seen.received for value in values)


def find_places(seen):
    """List the places of an installation that a phone requested."""
    data = b"".join(connection.data for connection in seen.connections())
    targets = re.findall(r"GET (\S+)", data.decode("latin-1"))
    return [place for place in INSTALL_PLACES if any(is_at(place, each) for each in targets)]


def test_refused_installations_leave_equal_traces(battery):
    """Each phone receives its server's mark in the refusal, and requests nothing after it."""
    for name in REFUSALS:
        number = [pair.name for pair in INSTALLING].index(name)
        case = battery.make(number)
        seen = [observe(PollingClient, setting) for setting in case.settings]
        assert [has_received(one, FIRST) for one in seen] == [True, False, False]
        assert all(any(has_received(one, mark) for mark in OTHERS) for one in seen[1:])
        places = [*INSTALL_PLACES]
        assert find_places(seen[0]) == places[: places.index(name.split(" at ")[1]) + 1]
        assert case.judge(seen) == ()


def test_every_request_of_an_installation_is_refused(battery):
    """By a pair with a unique name; phones differ in TLS and in their builds."""
    assert len({pair.name for pair in INSTALLING}) == battery.size == len(INSTALLING)
    assert {name.split(" at ")[1] for name in REFUSALS} == {*INSTALL_PLACES}
    phones = [battery.make(number).settings[0].public for number in range(battery.size)]
    assert {phone.tls for phone in phones} == {False, True}
    assert len({phone.build.counter for phone in phones}) > 1


def asked_parts(phone, poll):
    """Return the numbers of the parts of tables that a phone requested in a poll."""
    paths = phone.asked[poll]
    return [int(path.split(".")[1]) for path in paths if path.startswith(PARTS_OF_TABLES)]


def poll_without_part(make_phone, serve, wrap):
    """Let a phone poll three times; in the first poll a part is withheld."""
    phone = make_phone(only_at({0}, wrap)(serve))
    phone.poll(3)
    return phone


def test_phone_requests_all_parts_again_after_a_withheld_one(make_phone, repository):
    """Two servers withhold different parts; the next polls of both phones are equal."""
    for pair in SMALL_PARTS:
        one, other = (
            poll_without_part(make_phone, repository.serve(), wrap)
            for wrap in (pair.first, pair.second)
        )
        withheld = [int(name.split()[1]) for name in pair.name.partition(": ")[2].split(", or ")]
        for phone, part in zip((one, other), withheld, strict=True):
            assert asked_parts(phone, 0) == list(range(part + 1))
            assert phone.outcomes[0].failure is None
            assert asked_parts(phone, 1) == [0, 1, 2, 3]
            assert asked_parts(phone, 2) == []
        assert one.asked[1:] == other.asked[1:]


def test_phone_requests_parts_of_all_kinds_again(make_phone):
    """If a part of any kind of a role was withheld."""
    repository = Repository(kinds=tuple(PARTS))
    for pair in STOCKED_PARTS[::3]:  # of the three ways to withhold each, one
        one, other = (
            poll_without_part(make_phone, repository.serve(), wrap)
            for wrap in (pair.first, pair.second)
        )
        assert one.asked[0] != other.asked[0]
        assert one.asked[1:] == other.asked[1:]
        assert len(asked_parts(one, 1)) in {0, 16 + 16 + 4 + 16}
    names = [pair.name for pair in (*SMALL_PARTS, *STOCKED_PARTS)]
    assert len(set(names)) == len(names)
