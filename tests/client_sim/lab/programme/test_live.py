"""Real sockets, a host name, bytes recorded at both ends."""

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
    plan_live_ground,
    plan_public,
    plan_target,
)
from client_sim.lab.programme.setting import observe
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.servers.scripted import answer
from tests.cases import case

NOW = 1_800_000_000.0
INTERVALS = ("personal", "events", "timing", "stationarity")


@pytest.fixture
def target(server):
    """Give the running server a name."""
    return Target("updates.example.org", server.server_address[1], "127.0.0.1")


def public_at(target):
    """Give what anybody knows of a phone that polls there."""
    return plan_public(target, b"{}", codename="armani", region="id", channel="stable")


@pytest.fixture
def examine_there(target, monkeypatch):
    """Examine a client against the running server, by all batteries or those of some oracles."""

    def examine(factory, *oracles, tell=lambda *_: None):
        def make(*how):
            asked = make_live_batteries(*how)
            return tuple(each for each in asked if not oracles or each.oracle in oracles)

        monkeypatch.setattr(live, "make_live_batteries", make)
        public = public_at(target)
        return examine_live(factory, target, public, name="it", pairs=1, now=NOW, tell=tell)

    return examine


def observe_there(factory, target, polls):
    """Let a phone poll the running server so often."""
    ground = plan_live_ground(target, public_at(target), now=NOW, seed=0)
    return observe(factory, ground.setting(idle(polls)))


class Stranger(ToyClient):
    """A clean client that draws its intervals otherwise than ours does: six hours, and jitter."""

    def draw(self, now):
        """Draw two bytes."""
        return now + 21_600 + int.from_bytes(self.world.entropy(2), "little") / 32


class Other(ToyClient):
    """A clean client that draws its intervals more than once, and takes the mean."""

    def draw(self, now):
        """Draw four times four bytes."""
        drawn = sum(int.from_bytes(self.world.entropy(4), "big") for _ in range(4))
        return now + 14_400 + drawn / 2**34 * 14_400


class Telling(Stranger):
    """Draws as a stranger does, and comes some seconds later by the IMEI."""

    def draw(self, now):
        """Add three bits of the owner."""
        return super().draw(now) + int(self.world.personal.imei) % 8


class Remembering(Stranger):
    """Draws once, and keeps what was drawn."""

    def draw(self, now):
        """Come back after the same time, always."""
        kept = self.world.state.setdefault("jitter", self.world.entropy(2))
        return now + 21_600 + int.from_bytes(kept, "little") / 32


class Counting(Stranger):
    """Comes a second later for each message that its owner got."""

    def draw(self, now):
        """Add what was counted."""
        return super().draw(now) + int(self.world.state.get("messages", b"0"))

    def on_event(self, event):
        """Count."""
        if event.name == "sms-received":
            self.world.state["messages"] = b"%d" % (int(self.world.state.get("messages", b"0")) + 1)


def test_a_clean_client_of_a_stranger_raises_no_alarm(examine_there):
    """However it draws its intervals: nothing here knows a formula."""
    result = examine_there(Stranger)
    assert result.failed() == ()
    assert result.is_clean
    assert {"personal", "fleet", "timing", "sockets", "server-state"} < {
        battery.oracle for battery in result.batteries
    }
    assert examine_there(Other, *INTERVALS).failed() == ()


@pytest.mark.parametrize(
    ("factory", "oracle"),
    [(Telling, "personal"), (Remembering, "timing"), (Counting, "events")],
)
def test_a_leak_in_the_interval_of_a_stranger_is_found(factory, oracle, examine_there):
    """Bits of the owner, a memory, a trace of what happened: no byte of a request differs."""
    failed = set(examine_there(factory, oracle).failed())
    assert oracle in failed
    assert not failed & {"grammar", "egress", "completes", "schedule"}


def test_a_poll_is_the_same_bytes_at_both_ends(target, server):
    """Client, relay and server hold exactly the two requests that FORMATS section 9 writes out."""
    host = f"updates.example.org:{target.port}"
    expected = (
        f"GET /metadata/2.root.json HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
        f"GET /metadata/timestamp.json HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    seen = observe_there(ToyClient, target, 4)
    assert seen.far_end == (expected,) * 4
    assert [c.data for c in seen.connections()] == [expected] * 4
    assert {kept for kept in server.kept if kept} == {expected}


@pytest.mark.parametrize("name", ["cookie-echo", "hangs-on"])
def test_what_a_server_hands_out_must_not_come_back(name, examine_there):
    """On a host name a cookie comes back, as it would not on an address."""
    result = examine_there(load_client(name), "server-state")
    assert not result.is_clean
    assert ("server-state" in result.failed()) == name.endswith("-echo")


def test_other_bytes_at_the_far_end_are_a_finding(target):
    """What is compared is what arrived, not what was meant."""
    seen = observe_there(ToyClient, target, 2)
    assert judge_far_end(seen) == ()
    odd = dataclasses.replace(seen, far_end=(seen.far_end[0] + b"X", *seen.far_end[1:]))
    (finding,) = judge_far_end(odd)
    assert finding.other == seen.far_end[0] + b"X"


@pytest.mark.parametrize("is_changing", [False, True])
def test_a_server_that_publishes_meanwhile_gives_a_second_chance(
    is_changing, server, examine_there
):
    """What is not clean is examined again, once, and only where answers changed, beside dates."""
    numbers = count()

    def answer_with_number(asked):
        head, rest = answer(asked).split(b"\r\n", 1)
        name = b"Number" if is_changing else b"Date"
        return head + b"\r\n%s: %d\r\n" % (name, next(numbers)) + rest

    server.answer = answer_with_number
    firsts = []

    def tell(_what, done, _all):
        firsts.append(done == 1)

    result = examine_there(load_client("platform-agent"), "determinism", tell=tell)
    assert result.answers_agree == (not is_changing)
    assert sum(firsts) == 1 + is_changing


def test_no_run_on_a_real_server_is_longer_than_all_that_is_over_by_now(target):
    """30 polls are 29 intervals of at most eight hours, however many pairs are asked for."""
    ground = plan_live_ground(target, public_at(target), now=NOW, seed=0)
    assert ground.start + ground.spread + 29 * 28_800 == NOW
    polls = {
        setting.scenario.steps.count("poll")
        for battery in make_live_batteries(load_client("clean"), ground, 20)
        for number in range(battery.size)
        for setting in battery.make(number).settings
        if setting.upstream is not None
    }
    assert max(polls) == 30


def test_a_url_is_read_or_refused():
    """Host, port and address; for addresses, paths and what is no URL there is one sentence."""
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
