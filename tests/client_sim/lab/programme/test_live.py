"""Real sockets, a host name, octets recorded at both ends."""

import dataclasses

import pytest

from client_sim.lab.clients.loading import load_client
from client_sim.lab.clients.phone_2014 import phone_2014
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import LabError, SurroundingsError
from client_sim.lab.oracles.judging import judge_far_end
from client_sim.lab.programme.examine import START, Run
from client_sim.lab.programme.live import Target, examine_live, plan_public, plan_start, plan_target
from client_sim.lab.scenarios.driving import IDLE, SHORT_STORY, STORY, run_scenario
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.relay import Relay, check_answering
from client_sim.lab.trace.sockets import SocketWorld
from client_sim.persona import make_persona

OWNERS = [make_persona(seed) for seed in range(2)]


@pytest.fixture
def target(server):
    """Give the running server a name."""
    return Target("updates.example.org", server.server_address[1], "127.0.0.1")


def examine_there(factory, target, scenario=SHORT_STORY):
    """Examine a client against the running server."""
    public = plan_public(target, b"{}", codename="armani", region="id", channel="stable")
    return examine_live(factory, target, public, OWNERS, scenario, name="it", start=START)


def test_a_poll_is_the_same_octets_at_both_ends(target, server):
    """Client, relay and server hold exactly the two requests that FORMATS section 9 writes out."""
    result = examine_there(ToyClient, target, IDLE)
    host = f"updates.example.org:{target.port}"
    expected = (
        f"GET /metadata/2.root.json HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
        f"GET /metadata/timestamp.json HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    assert result.failed() == ()
    assert [check.oracle for check in result.batteries[-2:]] == ["both ends", "traps"]
    assert result.sample.far_end == (expected,) * 4
    assert [c.octets for c in result.sample.connections()] == [expected] * 4
    assert {kept for kept in server.kept if kept} == {expected}


def test_a_leak_is_seen_over_sockets_too(target):
    """The 2014 phone never reaches the server; its octets are caught on the way."""
    result = examine_there(phone_2014, target)
    assert {"grammar", "egress", "canaries", "personal"} <= set(result.failed())
    assert "both ends" not in result.failed()
    assert any(OWNERS[0].imei.encode() in octets for octets in result.sample.far_end)


@pytest.mark.parametrize("name", ["cookie-echo", "tag-echo", "hangs-on"])
def test_what_a_server_hands_out_must_not_come_back(name, target):
    """On a host name a cookie comes back, as it would not on an address."""
    result = examine_there(load_client(name), target)
    assert not result.is_clean
    assert ("traps" in result.failed()) == name.endswith("-echo")


def test_other_octets_at_the_far_end_are_a_finding(target):
    """What is compared is what arrived, not what was meant."""
    public = plan_public(target, b"{}", codename="armani", region="id", channel="stable")
    with Relay((target.address, target.port)) as relay:
        run = Run(OWNERS[0], b"e", START)
        world = SocketWorld(
            public,
            run.personal,
            entropy=Entropy(run.entropy),
            start=run.start,
            addresses={target.host: target.address},
            relay=relay,
        )
        seen = run_scenario(ToyClient, world, IDLE, OWNERS[0])
    assert judge_far_end(seen) == ()
    assert seen.far_end is not None
    odd = dataclasses.replace(seen, far_end=(seen.far_end[0] + b"X", *seen.far_end[1:]))
    (finding,) = judge_far_end(odd)
    assert finding.other == seen.far_end[0] + b"X"


def test_a_changing_server_is_given_a_second_chance(target, monkeypatch):
    """A difference while the server's answers differ is examined again, once."""
    calls = []

    def examine(*_, **__):
        calls.append(1)
        return dataclasses.replace(result, answers_agree=False)

    result = examine_there(load_client("platform-agent"), target)
    monkeypatch.setattr("client_sim.lab.programme.live.examine", examine)
    examine_there(load_client("platform-agent"), target)
    assert len(calls) == 2


def test_a_story_is_over_by_now():
    """Six polls are five intervals of at most eight hours; the second phone starts 61 s later."""
    assert plan_start(1_000_000.0, STORY, 2) == 1_000_000.0 - 5 * 28_800 - 2 * 61


def test_no_server_is_no_verdict():
    """An empty port is a failure of the surroundings."""
    with pytest.raises(SurroundingsError, match="start it first"):
        check_answering(("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("url", "resolve", "target"),
    [
        ("http://a.example:8080", {}, Target("a.example", 8080, "127.0.0.1")),
        ("http://a.example/", {"a.example": "192.0.2.7"}, Target("a.example", 80, "192.0.2.7")),
    ],
)
def test_a_url_is_read(url, resolve, target):
    """Host, port and address."""
    assert plan_target(url, resolve) == target


@pytest.mark.parametrize(
    "url",
    [
        *("https://a.example", "http://127.0.0.1:80", "http://[::1]:80", "http://", "a.example"),
        *(
            "http://a.example/x",
            "http://a.example?x",
            "http://a.example:99999",
            "http://a_b:80",
            "http://[bad",
        ),
    ],
)
def test_other_urls_are_refused(url):
    """Addresses, paths and what is no URL get one sentence."""
    with pytest.raises(LabError):
        plan_target(url, {})
