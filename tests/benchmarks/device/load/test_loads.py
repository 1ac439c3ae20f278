"""Each kind of load runs briefly against a repository over real sockets."""

import contextlib
import os

import pytest

from benchmarks.device.load import closed, crowd, open, pull  # noqa: A004 - a loop is open or closed
from benchmarks.device.load.spec import ClosedSpec, CrowdSpec, Kind, OpenSpec, PullSpec
from benchmarks.device.phone import idle_poll
from benchmarks.device.wire import phone_request
from tests.client_sim.device.repository_simulator import Repository
from tests.client_sim.device.web_server import WebServer
from tests.client_sim.fleet.conftest import Served

PATHS = ("/metadata/2.root.json", "/metadata/timestamp.json")


class Server(WebServer):
    """A server whose clients may disconnect, as loads do at their end."""

    def _serve(self, wire, place):
        with contextlib.suppress(OSError):
            super()._serve(wire, place)


@pytest.fixture
def served():
    """Serve a repository to loads."""
    repository = Repository()
    with contextlib.closing(Server(repository)) as server:
        yield Served(repository, server)


@pytest.fixture
def asked(served):
    """Return the requests of an idle poll."""
    return [phone_request(served.server.port, path).decode() for path in PATHS]


def test_idle_poll_of_the_real_client(served, monkeypatch):
    """The requests are those of a phone's second poll without news: next root, timestamp."""
    monkeypatch.setattr("time.time", lambda: served.repository.now)
    assert idle_poll(served.server.port) == PATHS


@pytest.mark.parametrize("keep", [True, False])
def test_closed_loop_polls_after_each_answer(served, asked, keep):
    """A client polls again after its answer, over the same connection or a new one."""
    spec = ClosedSpec(
        port=served.server.port, seconds=0.2, requests=asked, keep=keep, connections=2, warm_up=0
    )
    seen = closed.run(spec)
    assert seen.done > 0
    assert seen.failed == 0
    polls = [connection for connection in served.paths() if connection]
    assert (len(polls) == 2) is keep
    assert all(set(poll) < set(PATHS) for poll in polls) is keep


@pytest.mark.parametrize("keep", [True, False])
def test_open_loop_polls_at_a_given_rate(served, asked, keep):
    """An open loop polls at the given rate; each poll has a latency, and a phone a connection."""
    spec = OpenSpec(
        port=served.server.port, seconds=0.2, requests=asked, rate=100, keep=keep, connections=3
    )
    seen = open.run(spec)
    assert (seen.done, seen.failed) == (20, 0)
    assert seen.latencies["p50"] > 0
    assert len(served.paths()) == (3 if keep else 20)


def test_unexpected_status_is_a_failure(served, asked):
    """A 404 is a failure if only 200 is expected."""
    spec = OpenSpec(
        port=served.server.port, seconds=0.1, requests=asked[:1], rate=50, statuses=(200,)
    )
    assert open.run(spec).failed == 5


def test_download_in_pieces(served):
    """A download requests one piece after another, and what it got is counted."""
    spec = PullSpec(port=served.server.port, seconds=0.2, path=PATHS[1], length=1, connections=2)
    assert pull.run(spec).done > 0


@pytest.mark.parametrize("kind", Kind)
def test_crowd_stays_until_its_input_ends(served, asked, kind, monkeypatch, capsys):
    """The crowd reports when it is complete, and stays until its input ends."""
    ours, theirs = os.pipe()
    os.close(theirs)
    with os.fdopen(ours) as ended:
        monkeypatch.setattr("sys.stdin", ended)
        spec = CrowdSpec(
            port=served.server.port, seconds=0, request=asked[1], kind=kind, connections=3
        )
        crowd.run(spec)
    assert capsys.readouterr().out == "ready\n"
