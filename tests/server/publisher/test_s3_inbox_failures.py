"""Bundles that wait in S3: machines that die at each step, and a store that fails at each call."""

from functools import partial

import pytest

from server.release.errors import NotFoundError
from server.storage.errors import StorageError
from tests.fault_proxy import Fault, run_fault_proxy
from tests.server.publisher.nodes import Node, Nodes, copies
from tests.watched_objects import EndedError, WatchedObjects, stopping_objects

pytestmark = pytest.mark.needs("seaweed")


@pytest.fixture
def site(world, seaweed, tmp_path):
    """Give a site whose S3 is empty."""
    return Nodes(world, tmp_path, seaweed.place(tmp_path.name))


def dying_objects(place, at, *, is_sent):
    """Return what opens the one client of a process that ends at call `at`, and the client."""
    stopping = stopping_objects(place, at, is_sent=is_sent)
    return stopping, lambda *_, **__: stopping


@pytest.mark.parametrize("version", [None, 99], ids=["published", "refused"])
@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
def test_a_publisher_killed_at_each_call(site, is_sent, version):
    """Another one ends the bundle; the first finds that when it is back. It ends once."""
    control, calls = Node(site, "control"), []
    while len(calls) == 0 or calls[-1]:
        at = len(calls) + 1
        stopping, open_objects = dying_objects(site.place, at, is_sent=is_sent)
        dying = Node(site, f"dying{at}", open_objects=open_objects)
        other = Node(site, f"other{at}")
        bundle = site.sign(version or at + 1)
        assert control.submit(bundle) == "waiting"
        try:
            dying.publish()
            calls.append("")
        except EndedError:
            calls.append(stopping.calls[at - 1])
        other.publish()
        dying.start()
        dying.publish()
        assert control.status(bundle) == ("refused" if version else "published")
        assert site.new_entries() == ["receive", "refuse" if version else "publish"]
        assert site.objects() == copies(dying) == copies(other) == []
    assert {"list", "get", "remove", ""} == set(calls)


@pytest.mark.parametrize("step", [2, 3, 4, 6])
@pytest.mark.parametrize("is_back", [False, True], ids=["another", "the same"])
def test_a_publisher_killed_at_each_step(site, step, is_back):
    """Whichever machine is next completes what was accepted, and the bundle ends once."""
    control, dying, other = (Node(site, name) for name in ("control", "dying", "other"))
    bundle = site.sign(2)
    control.submit(bundle)
    site.world.inbox = dying.inbox
    site.world.stop_after(step, lambda publisher: publisher.process_incoming())
    dying.start()
    (dying if is_back else other).publish()
    dying.publish()
    assert control.status(bundle) == "published"
    assert site.new_entries() == ["receive", "publish"]
    assert site.objects() == copies(dying) == copies(other) == []


@pytest.mark.parametrize("place", ["write_result", "hide_bundle"])
def test_a_publisher_that_fails_after_the_result(site, monkeypatch, place):
    """The result in the database counts on the next machine, too."""
    control, dying, other = (Node(site, name) for name in ("control", "dying", "other"))
    bundle = site.sign(9)
    control.submit(bundle)

    def fail(*_arguments):
        raise EndedError

    monkeypatch.setattr(f"server.publisher.incoming.{place}", fail)
    with pytest.raises(EndedError):
        dying.publish()
    monkeypatch.undo()
    other.publish()
    dying.start()
    dying.publish()
    assert control.status(bundle) == "refused"
    assert site.new_entries() == ["receive", "refuse"]
    assert site.objects() == copies(dying) == copies(other) == []


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
def test_a_control_node_killed_at_each_call(site, is_sent):
    """The client hands the bundle in at another one, and what the first left does no harm."""
    publisher, calls = Node(site, "publisher"), []
    while len(calls) == 0 or calls[-1]:
        at = len(calls) + 1
        stopping, open_objects = dying_objects(site.place, at, is_sent=is_sent)
        dying = Node(site, f"dying{at}", open_objects=open_objects)
        other = Node(site, f"other{at}")
        bundle = site.sign(at + 1)
        try:
            dying.submit(bundle)
            calls.append("")
        except EndedError:
            calls.append(stopping.calls[at - 1])
        assert other.submit(bundle) == "waiting"
        publisher.publish()
        assert other.status(bundle) == "published"
        dying.start()
        dying.ask(lambda api: api.tidy())
        assert not list(dying.folder.incoming.iterdir())
        assert site.objects() == []
        assert dying.submit(bundle) == "published"
        assert [each for each in site.new_entries() if each != "receive"] == ["publish"]
    assert set(calls) == {"list", "create", ""}


def test_a_bundle_that_was_received_and_not_handed_in(site):
    """The machine that wrote it to the audit log hands it in when it is back, with one entry."""
    _, open_objects = dying_objects(site.place, 3, is_sent=False)
    dying, publisher = Node(site, "dying", open_objects=open_objects), Node(site, "publisher")
    bundle = site.sign(2)
    with pytest.raises(EndedError):
        dying.submit(bundle)
    dying.start()
    dying.ask(lambda api: api.tidy())
    assert [each.status for each in publisher.publish()] == ["published"]
    assert dying.status(bundle) == "published"
    assert site.new_entries() == ["receive", "publish"]


FAULTS = [Fault.ERROR, Fault.BUSY, Fault.SILENCE, Fault.CUT_ANSWER, Fault.LOSE_ANSWER]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_fails(site, seaweed, fault):
    """At each call of API and publisher: an error or success, and in the end one result."""
    with run_fault_proxy(seaweed.port) as proxy:
        weak = seaweed.place(site.root.name, endpoint=proxy.endpoint)
        node, failures, at, calls, happened = Node(site, "one"), 0, 0, set(), True

        def fail(number):
            if number == at and not healed:
                watched.be_hasty(True)
                proxy.limit = 100
                proxy.fault = fault

        while happened:
            at, healed = at + 1, False
            watched = WatchedObjects(weak, fail)
            node.start(weak, lambda *_, watched=watched, **__: watched)
            bundle = site.sign(at + 10)
            for act in (partial(node.submit, bundle), node.publish):
                try:
                    act()
                except StorageError:
                    failures += 1
            happened = len(watched.calls) >= at
            calls |= set(watched.calls)
            healed = True
            watched.be_hasty(False)
            proxy.fault = Fault.NONE
            proxy.drop()
            try:
                status = node.status(bundle)
            except NotFoundError:
                status = ""
            if status != "refused":
                assert node.submit(bundle) == "waiting"
            node.publish()
            assert node.status(bundle) == "refused"
            assert [each for each in site.new_entries() if each != "receive"] == ["refuse"]
            assert site.objects() == copies(node) == []
        assert calls == {"list", "create", "get", "remove"}
        assert failures
