"""A process's table of answers: the same whether built in one step or incrementally."""

import pytest

from server.device.answer import Served, make_served, phone_host
from server.device.snapshot import EMPTY, load_snapshot
from server.http.requests import GateMode
from server.storage.local_blobs import LocalBlobs
from tests.server.world import PACKAGE_2

HOSTS = (b"updates.example", b"updates.example:8443")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://updates.example", b"updates.example"),
        ("https://updates.example:443", b"updates.example"),
        ("https://updates.example:8443/", b"updates.example:8443"),
        ("http://updates.example:80", b"updates.example"),
        ("http://127.0.0.1:8080", b"127.0.0.1:8080"),
        ("http://[::1]:8080", b"[::1]:8080"),
    ],
)
def test_the_host_of_a_phone(url, host):
    """The port is omitted if it is the scheme's default: docs/FORMATS.md section 9."""
    assert phone_host(url) == host


def test_step_by_step(world):
    """After each publication the old and new parts together equal a new process's table."""
    blobs = LocalBlobs(world.folder.blobs)
    snapshot, served = EMPTY, Served()

    def follow():
        nonlocal snapshot, served
        before = served
        snapshot = load_snapshot(world.folder.public, blobs, snapshot)
        served = make_served(snapshot, HOSTS, GateMode.DIRECT, before)
        assert served == make_served(snapshot, HOSTS, GateMode.DIRECT, Served())
        return before

    assert follow().exact == {}
    assert follow() == served
    pointers = world.published().pointers()
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    before = follow()
    assert before != served
    for _ in range(10):  # until documents leave the window of served ones
        world.run(lambda publisher: publisher.change_pointers(lambda _published: {}))
        world.run(lambda publisher: publisher.change_pointers(lambda _published: pointers))
        follow()
    assert not before.exact.keys() <= served.exact.keys()
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    asked = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example\r\n"
    asked += b"Accept-Encoding: gzip\r\n\r\n"
    assert served.exact[asked][0] == 404
    follow()
    assert served.exact[asked][0] == 200
    assert served.exact[asked.replace(b"/2.", b"/3.")][0] == 404


def test_other_hosts(published_state):
    """A process with another Host takes over no requests."""
    folder = published_state.folder
    snapshot = load_snapshot(folder.public, LocalBlobs(folder.blobs), EMPTY)
    first = make_served(snapshot, HOSTS[:1], GateMode.DIRECT, Served())
    assert make_served(snapshot, HOSTS[1:], GateMode.DIRECT, first) == make_served(
        snapshot, HOSTS[1:], GateMode.DIRECT, Served()
    )


def test_phones_only(published_state):
    """A strict process has no prepared answer to requests of a cache or of an auditor."""
    folder = published_state.folder
    snapshot = load_snapshot(folder.public, LocalBlobs(folder.blobs), EMPTY)
    direct = make_served(snapshot, HOSTS, GateMode.DIRECT, Served())
    strict = make_served(snapshot, HOSTS, GateMode.STRICT, direct)
    assert strict == make_served(snapshot, HOSTS, GateMode.STRICT, Served())
    others = direct.exact.keys() - strict.exact.keys()
    assert len(others) == 2 * 3
    assert all(b"If-None-Match" in each or b"GET /log/checkpoint" in each for each in others)
    assert not any(b"If-None-Match" in each for each in strict.exact)


def test_nothing_is_public_yet():
    """Then no answer is 200, and there is no next root."""
    assert make_served(EMPTY, HOSTS, GateMode.DIRECT, Served()) == Served(EMPTY, HOSTS)
