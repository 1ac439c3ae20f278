"""Hostile pairs: a phone does not notice which of two it talks to, and whoever listens is found."""

import hashlib
import re
from email.utils import parsedate_to_datetime

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.equality import find_differences
from client_sim.lab.oracles.judging import judge_grammar
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.scenarios.driving import POLL, Scenario
from client_sim.lab.servers.contents import Publication, release
from client_sim.lab.servers.hostile import HOSTILE, TOGETHER
from client_sim.lab.servers.replies import FIRST, OTHERS, only_at
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
