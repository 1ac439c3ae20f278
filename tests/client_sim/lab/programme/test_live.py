"""Examination of clients against a real server over sockets."""

import dataclasses
from itertools import count

import pytest

from client_sim.lab.clients.loading import load_client
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import LabError
from client_sim.lab.oracles.judging import judge_far_end
from client_sim.lab.programme import live
from client_sim.lab.programme.live import (
    Target,
    examine_live,
    make_live_batteries,
    plan_live_testbed,
    plan_public,
    plan_target,
)
from client_sim.lab.programme.setting import observe
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.servers.scripted import answer
from tests.cases import case

NOW = 1_800_000_000.0
INTERVALS = ("personal", "events", "timing", "stationarity")


@pytest.fixture
def target(server):
    """Return the running server's name, port and address."""
    return Target("updates.example.org", server.server_address[1], "127.0.0.1")


def public_at(target):
    """Return the public facts of a phone that polls a server."""
    return plan_public(target, b"{}", codename="armani", region="id", channel="stable")


@pytest.fixture
def examine(target, monkeypatch):
    """Examine a client against the running server, with all batteries or with some."""

    def examine(factory, *oracles, on_progress=lambda *_: None):
        def make(*how):
            batteries = make_live_batteries(*how)
            return tuple(each for each in batteries if not oracles or each.oracle in oracles)

        monkeypatch.setattr(live, "make_live_batteries", make)
        public = public_at(target)
        return examine_live(
            factory, target, public, name="it", pairs=1, now=NOW, on_progress=on_progress
        )

    return examine


def observe_polls(factory, target, polls):
    """Observe a phone that polls the running server."""
    testbed = plan_live_testbed(target, public_at(target), now=NOW, seed=0)
    return observe(factory, testbed.setting(idle(polls)))


class Jittering(ToyClient):
    """A clean client whose intervals are six hours and a random jitter."""

    def draw(self, now):
        """Draw two bytes."""
        return now + 21_600 + int.from_bytes(self.world.entropy(2), "little") / 32


class Averaging(ToyClient):
    """A clean client whose intervals are a mean of several draws."""

    def draw(self, now):
        """Draw four times four bytes."""
        drawn = sum(int.from_bytes(self.world.entropy(4), "big") for _ in range(4))
        return now + 14_400 + drawn / 2**34 * 14_400


class ImeiDelay(Jittering):
    """Polls some seconds later, depending on the IMEI."""

    def draw(self, now):
        """Add three bits of the owner."""
        return super().draw(now) + int(self.world.personal.imei) % 8


class FixedJitter(Jittering):
    """Draws its jitter only once."""

    def draw(self, now):
        """Return a time after the same interval."""
        kept = self.world.state.setdefault("jitter", self.world.entropy(2))
        return now + 21_600 + int.from_bytes(kept, "little") / 32


class MessageDelay(Jittering):
    """Polls a second later for each message that its owner received."""

    def draw(self, now):
        """Add the number of messages."""
        return super().draw(now) + int(self.world.state.get("messages", b"0"))

    def on_event(self, event):
        """Count messages."""
        if event.name == "sms-received":
            self.world.state["messages"] = b"%d" % (int(self.world.state.get("messages", b"0")) + 1)


def test_clean_clients_of_others_raise_no_alarm(examine):
    """No battery expects the distribution of intervals of hening's phone."""
    result = examine(Jittering)
    assert result.failed() == ()
    assert result.is_clean
    assert {"personal", "fleet", "timing", "sockets", "server-state"} < {
        battery.oracle for battery in result.batteries
    }
    assert examine(Averaging, *INTERVALS).failed() == ()


@pytest.mark.parametrize(
    ("factory", "oracle"),
    [(ImeiDelay, "personal"), (FixedJitter, "timing"), (MessageDelay, "events")],
)
def test_leaks_in_intervals_are_found(factory, oracle, examine):
    """No byte of a request differs."""
    failed = set(examine(factory, oracle).failed())
    assert oracle in failed
    assert not failed & {"grammar", "egress", "completes", "schedule"}


def test_bytes_of_a_poll_at_both_ends(target, server):
    """Client, relay and server have exactly the two requests of FORMATS section 9."""
    host = f"updates.example.org:{target.port}"
    expected = (
        f"GET /metadata/2.root.json HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
        f"GET /metadata/timestamp.json HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    seen = observe_polls(ToyClient, target, 4)
    assert seen.far_end == (expected,) * 4
    assert [c.data for c in seen.connections()] == [expected] * 4
    assert {kept for kept in server.kept if kept} == {expected}


@pytest.mark.parametrize("name", ["cookie-echo", "one-for-days"])
def test_cookies_are_found(name, examine):
    """Simulated servers set cookies, which a good server never does."""
    result = examine(load_client(name), "server-state")
    assert not result.is_clean
    assert ("server-state" in result.failed()) == name.endswith("-echo")


def test_other_bytes_at_the_far_end_are_a_finding(target):
    """Bytes that arrived are compared with those that were sent."""
    seen = observe_polls(ToyClient, target, 2)
    assert judge_far_end(seen) == ()
    odd = dataclasses.replace(seen, far_end=(seen.far_end[0] + b"X", *seen.far_end[1:]))
    (finding,) = judge_far_end(odd)
    assert finding.other == seen.far_end[0] + b"X"


@pytest.mark.parametrize("is_changing", [False, True])
def test_examination_is_repeated_if_answers_changed(is_changing, server, examine):
    """Once, if the result is not clean; a changed Date does not count."""
    numbers = count()

    def answer_with_number(asked):
        head, rest = answer(asked).split(b"\r\n", 1)
        name = b"Number" if is_changing else b"Date"
        return head + b"\r\n%s: %d\r\n" % (name, next(numbers)) + rest

    server.answer = answer_with_number
    firsts = []

    def on_progress(_what, done, _all):
        firsts.append(done == 1)

    result = examine(load_client("platform-agent"), "determinism", on_progress=on_progress)
    assert result.answers_agree == (not is_changing)
    assert sum(firsts) == 1 + is_changing


def test_runs_end_before_the_present(target):
    """The longest have 30 polls with 29 intervals of at most eight hours."""
    testbed = plan_live_testbed(target, public_at(target), now=NOW, seed=0)
    assert testbed.start + testbed.spread + 29 * 28_800 == NOW
    polls = {
        setting.scenario.steps.count("poll")
        for battery in make_live_batteries(load_client("clean"), testbed, 20)
        for number in range(battery.size)
        for setting in battery.make(number).settings
        if setting.upstream is not None
    }
    assert max(polls) == 30


def test_urls_of_servers():
    """`http://HOST:PORT` is read; addresses, paths and other schemes are refused."""
    for url, resolve, expected in (
        ("http://a.example:8080", {}, Target("a.example", 8080, "127.0.0.1")),
        ("http://a.example/", {"a.example": "192.0.2.7"}, Target("a.example", 80, "192.0.2.7")),
    ):
        assert plan_target(url, resolve) == expected
    for url in (
        *("https://a.example", "http://127.0.0.1:80", "http://[::1]:80", "http://", "a.example"),
        *("http://a.example/x", "http://a.example?x", "http://a.example:99999"),
        *("http://a_b:80", "http://[bad"),
    ):
        with case(url), pytest.raises(LabError):
            plan_target(url, {})
