"""Bundles that wait in S3: several machines receive them and publish them."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from server.publisher.s3_inbox import EVERY_SECONDS, S3Inbox
from server.storage.durable import OTHERS
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from server.storage.objects import Objects
from tests.fault_proxy import Fault, run_fault_proxy
from tests.server.publisher.nodes import Node, Nodes, copies
from tests.server.release.uploads.harness import principal
from tests.server.world import PACKAGE_2
from tests.watched_objects import WatchedObjects

pytestmark = pytest.mark.needs("seaweed")


@pytest.fixture
def site(world, seaweed, tmp_path):
    """Give a site whose S3 is empty."""
    return Nodes(world, tmp_path, seaweed.place(tmp_path.name))


def test_two_publishers(site):
    """Both fetch a bundle; one publishes it, and the other's copy goes."""
    control, one, two = (Node(site, name) for name in ("control", "one", "two"))
    bundle = site.sign(2)
    assert [control.submit(bundle), control.submit(bundle)] == ["waiting", "waiting"]
    assert two.inbox.fetch() == [bundle[0]]
    assert len(copies(two)) == 1
    written = list(two.folder.fetched.rglob("*"))
    assert len(written) == 5  # receipt, bundle, its list, its folder of roles, one role
    assert not any(path.stat().st_mode & OTHERS for path in written)

    async def wait(api):
        asking = asyncio.create_task(api.get(bundle[0], wait=30))
        (result,) = await one._publish()
        assert (await asking).snapshot == result.snapshot
        return await api.list(principal(), "", 9)

    assert (bundle[0], "published") in [(each.id, each.status) for each in control.ask(wait)]
    assert two.publish() == []
    assert copies(one) == copies(two) == site.objects() == []
    assert control.submit(bundle) == "published"
    assert site.new_entries() == ["receive", "publish"]


def test_a_refused_bundle_is_tried_again(site):
    """Each time that it is handed in there is one refusal, at whichever machine."""
    control, one, two = (Node(site, name) for name in ("control", "one", "two"))
    bundle = site.sign(9)
    for node in (one, two, one):
        assert control.submit(bundle) == "waiting"
        (result,) = node.publish()
        assert result.reason == "cancro 9 was submitted; 2 comes next."
        assert control.status(bundle) == "refused"
    assert site.new_entries() == ["receive", "refuse"] * 3


def test_what_two_machines_receive_at_once(site):
    """The same bundle may wait twice, and is published once."""
    one, two = Node(site, "one"), Node(site, "two")
    bundle = site.sign(2)
    first = site.sign(2)
    assert first == bundle
    for node in (one, two):
        waits, node.inbox.waits = node.inbox.waits, lambda _id: False
        assert node.submit(bundle) == "waiting"
        node.inbox.waits = waits
    assert len(site.objects()) == 2
    assert one.publish()[0].status == "published"
    snapshot = site.world.published().snapshot.version
    two.publish()
    one.publish()
    assert site.objects() == copies(one) == copies(two) == []
    assert site.world.published().snapshot.version == snapshot
    assert one.status(bundle) == "published"


def test_a_look_each_second(site):
    """Between two looks no request is made, except for what this process was handed itself."""
    now, counting = [100.0], WatchedObjects(site.place)
    node = Node(site, "one")
    node.inbox = S3Inbox(site.place, node.folder, lambda: now[0], lambda *_, **__: counting)
    assert [node.inbox.fetch() for _ in range(3)] == [[], [], []]
    assert counting.calls == ["list"]
    now[0] += EVERY_SECONDS
    assert node.inbox.fetch() == []
    assert counting.calls == ["list", "list"]
    bundle = site.sign(2)
    node.submit(bundle)
    assert node.inbox.fetch() == [bundle[0]]
    assert counting.calls[2:] == ["list", "list", "create", "list", "get"]
    assert node.inbox.fetch() == [bundle[0]]
    node.inbox = S3Inbox(site.place, node.folder, lambda: now[0], lambda *_, **__: counting)
    assert node.inbox.fetch() == [bundle[0]]  # after a restart its copy is there
    assert counting.calls[7:] == ["list"]


def test_a_damaged_object(site):
    """It is refused as a bundle without files, and delays no other; other names are left alone."""
    node, bundle = Node(site, "one"), site.sign(2)
    objects = Objects(site.place)
    objects.create(f"incoming/{'0' * 64}/{'1' * 16}", b"no bundle\n")
    objects.create("incoming/README", b"no bundle")
    node.submit(bundle)
    results = {each.id: each.reason for each in node.publish()}
    assert results == {bundle[0]: "", "0" * 64: "bundle.json is not a regular file."}
    assert site.objects() == ["incoming/README"]


def test_garbage_collection_on_a_machine_without_copies(site):
    """It keeps what a bundle names that waits only in S3."""
    blobs = LocalBlobs(site.world.folder.blobs)
    for data in (PACKAGE_2, b"stray"):
        (site.root / "source").write_bytes(data)
        blobs.ingest(site.root / "source", hashlib.sha256(data).hexdigest(), len(data))
    Node(site, "control").submit(site.bundle(site.world.second_release()))
    site.world.inbox = Node(site, "other").inbox
    removed = site.world.run(lambda publisher: publisher.collect_garbage(timedelta())).removed
    assert [blob.length for blob in removed] == [len(b"stray")]


def test_results_while_the_store_is_away(site, seaweed):
    """What has ended is answered from the database; what else is asked for is an error."""
    control, publisher = Node(site, "control"), Node(site, "publisher")
    ended, waiting = site.sign(2), site.sign(99)
    control.submit(ended)
    publisher.publish()
    control.submit(waiting)
    with run_fault_proxy(seaweed.port) as proxy:
        weak = seaweed.place(site.root.name, endpoint=proxy.endpoint)
        control.start(weak, lambda place, **_: Objects(place, retries=0))
        proxy.fault = Fault.CLOSE
        assert control.status(ended) == control.submit(ended) == "published"
        for act in (control.status, control.submit):
            with pytest.raises(StorageError):
                act(waiting)
