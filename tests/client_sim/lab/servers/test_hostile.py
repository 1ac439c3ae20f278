"""Pairs of servers: clean clients leave one trace for both; each differs where it says."""

import hashlib
import re
from email.utils import parsedate_to_datetime

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.equality import find_differences
from client_sim.lab.oracles.judging import judge_grammar
from client_sim.lab.programme.batteries.offers import install_state
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.scenarios.driving import POLL, Scenario
from client_sim.lab.servers.contents import Publication, release
from client_sim.lab.servers.fault import INSTALL_PLACES, is_at
from client_sim.lab.servers.hostile import (
    HOSTILE,
    INSTALLING,
    MANNERS,
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
    """Run a client against both of a pair, which are in the way of its first two polls of three."""

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
    """Tell whether two runs left different traces, times included."""
    return find_differences(one, other, with_time=True) != ()


def test_the_clean_client_leaves_one_trace(run, repository):
    """It sends the same to both of a pair, nothing beyond the table, and goes on afterwards."""
    for name, pair in BY_NAME.items():
        one, other = run(PollingClient, pair)
        # Where answers take longer the server knows it, and so does the clock.
        assert not find_differences(one, other, with_time=not pair.is_timed), name
        assert (one.received == other.received) == (pair.field == "pieces" and not pair.is_timed)
        public = repository.public("armani", "id", "stable")
        assert judge_grammar(one, public) == ()
        assert "poll 3" not in one.failures, name
        assert "can be installed" in one.outcomes[2]
        assert list(one.failures) == list(other.failures)


class Parrot(ToyClient):
    """Says in its second request what it was told before, in digest."""

    heard = b""

    def open(self):
        """Listen on the connection."""
        stream = super().open()
        inner, receive = self, stream.recv

        def recv(limit):
            data = receive(limit)
            inner.heard = hashlib.sha256(inner.heard + data).digest()
            return data

        stream.recv = recv
        return stream

    def headers(self):
        """Bring it back."""
        return (*super().headers(), f"X-Heard: {self.heard.hex()}")


# A toy asks for nothing but root and timestamp, and so sees no proof.
def test_what_it_was_told_is_brought_back_and_found(run):
    """Each pair hands something out that is another for each of its two.

    Times of pieces show in a client that looks at the clock between two of them.
    """
    for name in [p.name for p in HOSTILE if p.field not in {"pieces", "proof"}]:
        assert differs(*run(Parrot, BY_NAME[name])), name

    class Hasty(Parrot):
        def next_poll(self, now):
            return now + 20_000 + self.heard[0]

    assert not differs(*run(ToyClient, BY_NAME["times of the pieces"]))
    assert differs(*run(Hasty, BY_NAME["times of the pieces"]))
    assert differs(*run(Hasty, BY_NAME["sizes of the pieces"]))


def test_servers_differ_in_every_bit_that_one_may_bring_back():
    """Of a number all that ports and waits have; of a text the parities, of a date each part.

    There is a pair for every field by which servers are known to recognise clients.
    """
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
    assert len(BY_NAME) == len(HOSTILE)
    wanted = """ETag Set-Cookie Last-Modified Location Link Content-Location Refresh Retry-After
        Cache-Control Age Expires Alt-Svc Strict-Transport-Security Public-Key-Pins order case
        Server Date Via WWW-Authenticate Proxy-Authenticate Accept-CH Critical-CH Vary Accept-Ranges
        Connection Keep-Alive 1xx reason Transfer-Encoding gzip metadata pieces proof"""
    assert set(wanted.split()) <= {pair.field for pair in HOSTILE}


def test_the_second_of_a_pair_says_something_else_each_time(run):
    """A client that brings back one bit of it differs sooner or later."""
    one, other = run(ToyClient, BY_NAME["strong validator"], connections=range(3))
    tags = [re.findall(rb"ETag: (.+?)\r\n", b"".join(seen.received)) for seen in (one, other)]
    assert len(set(tags[0])) == 1
    assert len(set(tags[1])) == len(tags[1]) > 3


def test_all_together_has_all_fields_in_good_answers(run):
    """The clean client polls with success where each answer holds every field at once."""
    for seen in run(PollingClient, TOGETHER, connections=range(3)):
        assert not seen.failures
        head = seen.received[0].split(b"\r\n\r\n")[0]
        assert len(re.findall(rb"\r\n", head)) > 45


REFUSALS = [pair.name for pair in INSTALLING if pair.name[:3].isdigit()]
PARTS_OF_TABLES = "/targets/tables/"


@pytest.fixture(scope="module")
def battery():
    """Make the battery that they are met in."""
    return install_state(plan_ground(PollingClient, 1), 1000)


def is_told(seen, mark):
    """Tell whether a phone was told a value of a mark."""
    values = (mark.text, str(mark.number), mark.date)
    return any(value.encode() in data for data in seen.received for value in values)


def find_places(seen):
    """List what of an offer a phone asked for: who is refused goes no further."""
    data = b"".join(connection.data for connection in seen.connections())
    targets = re.findall(r"GET (\S+)", data.decode("latin-1"))
    return [place for place in INSTALL_PLACES if any(is_at(place, each) for each in targets)]


def test_a_phone_that_installs_meets_both(battery):
    """Each refusal is heard in its place, with its server's value, and no trace differs."""
    for name in REFUSALS:
        number = [pair.name for pair in INSTALLING].index(name)
        case = battery.make(number)
        seen = [observe(PollingClient, setting) for setting in case.settings]
        assert [is_told(one, FIRST) for one in seen] == [True, False, False]
        assert all(any(is_told(one, mark) for mark in OTHERS) for one in seen[1:])
        places = [*INSTALL_PLACES]
        assert find_places(seen[0]) == places[: places.index(name.split(" at ")[1]) + 1]
        assert case.judge(seen) == ()


def test_every_request_of_an_installation_is_refused_somewhere(battery):
    """Names are unique; half of the phones poll over TLS, and builds of both kinds are there."""
    assert len({pair.name for pair in INSTALLING}) == battery.size == len(INSTALLING)
    assert {name.split(" at ")[1] for name in REFUSALS} == {*INSTALL_PLACES}
    phones = [battery.make(number).settings[0].public for number in range(battery.size)]
    assert {phone.tls for phone in phones} == {False, True}
    assert len({phone.build.counter for phone in phones}) > 1


def asked_parts(phone, poll):
    """Give the numbers of the parts of tables that a phone asked for in a poll."""
    paths = phone.asked[poll]
    return [int(path.split(".")[1]) for path in paths if path.startswith(PARTS_OF_TABLES)]


def refused(make_phone, serve, wrap):
    """Let a phone poll three times; the first time a part is kept back."""
    phone = make_phone(only_at({0}, wrap)(serve))
    phone.poll(3)
    return phone


def test_a_phone_stops_at_the_part_and_asks_for_all_of_them_the_next_time(make_phone, repository):
    """Of four parts two servers keep back different ones; the next polls of both are the same."""
    for pair in SMALL_PARTS:
        one, other = (
            refused(make_phone, repository.serve(), wrap) for wrap in (pair.first, pair.second)
        )
        kept = [int(name.split()[1]) for name in pair.name.partition(": ")[2].split(", or ")]
        for phone, part in zip((one, other), kept, strict=True):
            assert asked_parts(phone, 0) == list(range(part + 1))
            assert phone.outcomes[0].failure is None
            assert asked_parts(phone, 1) == [0, 1, 2, 3]
            assert asked_parts(phone, 2) == []
        assert one.asked[1:] == other.asked[1:]


def test_kinds_of_a_role_are_held_together_or_not_at_all(make_phone):
    """Where there is every kind, an access point's part and a time zone's are kept back alike."""
    repository = Repository(kinds=tuple(PARTS))
    for pair in STOCKED_PARTS[:: MANNERS // 3]:
        one, other = (
            refused(make_phone, repository.serve(), wrap) for wrap in (pair.first, pair.second)
        )
        assert one.asked[0] != other.asked[0]
        assert one.asked[1:] == other.asked[1:]
        assert len(asked_parts(one, 1)) in {0, 16 + 16 + 4 + 16}
    names = [pair.name for pair in (*SMALL_PARTS, *STOCKED_PARTS)]
    assert len(set(names)) == len(names)
