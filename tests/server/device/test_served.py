"""What a process answers from: the same whether it was made at once or step by step."""

import pytest

from server.device.served import Served, make_served, phone_host
from server.device.snapshot import EMPTY, load_snapshot
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
    """The port is left out where it is the scheme's own: docs/FORMATS.md section 9."""
    assert phone_host(url) == host


def test_step_by_step(world):
    """After each publication what is kept and what is new together are what a new process has."""
    blobs = LocalBlobs(world.folder.blobs)
    snapshot, served = EMPTY, Served()

    def follow():
        nonlocal snapshot, served
        before = served
        snapshot = load_snapshot(world.folder.public, blobs, snapshot)
        served = make_served(snapshot, HOSTS, before)
        assert served == make_served(snapshot, HOSTS, Served())
        return before

    assert follow().exact == {}
    assert follow() == served
    pointers = world.published().pointers()
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    before = follow()
    assert before != served
    for _ in range(10):  # until documents leave the window of those that are served
        world.run(lambda publisher: publisher.change_pointers(lambda _published: {}))
        world.run(lambda publisher: publisher.change_pointers(lambda _published: pointers))
        follow()
    assert not before.exact.keys() <= served.exact.keys()
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    asked = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example\r\n"
    asked += b"Accept-Encoding: gzip\r\n\r\n"
    assert asked in served.absent
    follow()
    assert asked in served.exact
    assert asked not in served.absent
    assert asked.replace(b"/2.", b"/3.") in served.absent


def test_other_hosts(published_state):
    """A process that is called otherwise takes nothing of the requests over."""
    folder = published_state.folder
    snapshot = load_snapshot(folder.public, LocalBlobs(folder.blobs), EMPTY)
    first = make_served(snapshot, HOSTS[:1], Served())
    assert make_served(snapshot, HOSTS[1:], first) == make_served(snapshot, HOSTS[1:], Served())


def test_nothing_is_public_yet():
    """Then nothing is answered 200, and no root is the next."""
    assert make_served(EMPTY, HOSTS, Served()) == Served(EMPTY, HOSTS)
