"""Waiting bundles in S3: several machines receive and publish them, and may stop meanwhile."""

import asyncio
import dataclasses
import hashlib
import shutil
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import count, product

import pytest
from sqlalchemy import select

from server.publisher.s3_inbox import EVERY_SECONDS, S3Inbox
from server.release.errors import NotFoundError
from server.release.submissions.submissions import Submissions
from server.settings import Settings
from server.storage.database import open_database
from server.storage.durable import OTHERS
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.models import AuditLogEntry
from server.storage.objects import Objects
from tests.cases import case
from tests.fault_proxy import Fault, run_fault_proxy
from tests.server.release.auth.issue import account_row
from tests.server.release.uploads.harness import pieces, principal
from tests.server.world import PACKAGE_2
from tests.watched_objects import WRITES, EndedError, WatchedObjects, stopping_objects

pytestmark = pytest.mark.needs("seaweed")


class Node:
    """A machine of a site: its own folder, and the site's database, tree and S3."""

    def __init__(self, site, name, place=None, open_objects=Objects):
        self.site, self.folder = site, StateFolder(site.root / name)
        self.folder.incoming.mkdir(parents=True, exist_ok=True)
        self.start(place, open_objects)

    def start(self, place=None, open_objects=Objects):
        """Begin a new process, without a cache, that polls S3 at each call."""
        seconds = count(step=EVERY_SECONDS).__next__
        self.inbox = S3Inbox(place or self.site.place, self.folder, seconds, open_objects)

    async def _publish(self):
        self.site.world.inbox = self.inbox
        async with self.site.world.publisher() as publisher:
            return await publisher.process_incoming()

    def publish(self):
        """Process waiting bundles once; return the results."""
        return asyncio.run(self._publish())

    @asynccontextmanager
    async def _api(self):
        world = self.site.world
        async with open_database(world.folder.database) as sessions:
            async with sessions.begin() as session:
                await session.merge(account_row("ani", "engineer"))
            yield Submissions(
                self.folder,
                sessions,
                LocalBlobs(world.folder.blobs),
                world.now,
                lambda length: next(self.site.numbers).to_bytes(length, "big"),
                lambda: None,
                Settings(keep_free=0),
                self.inbox,
            )

    def ask(self, question):
        """Return the API's answer to `question(submissions)`."""

        async def inside():
            async with self._api() as api:
                return await question(api)

        return asyncio.run(inside())

    def submit(self, bundle):
        """Submit a bundle through the API; return its status."""
        bundle_id, body = bundle
        parts = body[:40], body[40:]
        return self.ask(lambda api: api.submit(principal(), bundle_id, pieces(*parts))).status

    def status(self, bundle):
        """Return the status of a bundle."""
        return self.ask(lambda api: api.get(bundle[0])).status


class Nodes:
    """The shared state of a site: a published state, S3, and a counter for receipts."""

    def __init__(self, world, root, place):
        self.world, self.root, self.place = world, root, place
        self.numbers = count(1)
        self.seen = len(self.audit_log())

    def sign(self, version):
        """Return id and body of a bundle with a version of cancro."""
        files = {("cancro", version): self.world.ceremony.role("cancro", version)}
        return self.bundle(files)

    def next_version(self):
        """Return the version of cancro that can be published next."""
        return self.world.published().roles["cancro"].version + 1

    def bundle(self, files):
        """Return id and body of a bundle."""
        bundle_id = self.world.submit(files)
        folder = self.world.folder.incoming / bundle_id
        listing = (folder / "bundle.json").read_bytes()
        shutil.rmtree(folder)
        return bundle_id, listing + b"".join(data for _, data in sorted(files.items()))

    def audit_log(self):
        """Return the actions of the audit log about submissions, in order."""

        async def read():
            query = select(AuditLogEntry.action).order_by(AuditLogEntry.index)
            async with open_database(self.world.folder.database) as sessions, sessions() as session:
                return list(await session.scalars(query))

        found = asyncio.run(read())
        return [each.removeprefix("submission.") for each in found if "submission." in each]

    def new_entries(self):
        """Return the audit log's entries since the last call."""
        found = self.audit_log()[self.seen :]
        self.seen += len(found)
        return found

    def objects(self):
        """Return the names of waiting objects."""
        return [each.name for each in Objects(self.place).list("incoming")]


def copies(node):
    """Return the names of the copies on a machine."""
    return [path.name for path in node.folder.fetched.glob("*")]


@pytest.fixture
def site(world, seaweed, tmp_path):
    """Return a site with an empty S3 prefix."""
    return Nodes(world, tmp_path, seaweed.place(tmp_path.name))


def test_one_of_two_publishers_publishes_a_bundle(site):
    """If two publishers fetch a bundle, one publishes it and the other removes its copy."""
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


def test_refused_bundle_can_be_submitted_again(site):
    """A refused bundle that is submitted again is refused once more, by any machine."""
    control, one, two = (Node(site, name) for name in ("control", "one", "two"))
    bundle = site.sign(9)
    for node in (one, two, one):
        assert control.submit(bundle) == "waiting"
        (result,) = node.publish()
        assert result.reason == "cancro 9 was submitted; 2 comes next."
        assert control.status(bundle) == "refused"
    assert site.new_entries() == ["receive", "refuse"] * 3


def test_bundle_received_by_two_machines(site):
    """A bundle that two machines receive at the same time is published once."""
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


def test_polling_interval(site):
    """S3 is polled once a second, and immediately for a bundle that this process received."""
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
    assert node.inbox.fetch() == [bundle[0]]  # the copy is still there after a restart
    assert counting.calls[7:] == ["list"]


class DatedObjects(Objects):
    """Lists objects as if they had been written in the reverse order of their names."""

    def list(self, prefix=""):
        """Yield the objects with other times."""
        for each in super().list(prefix):
            yield dataclasses.replace(each, time=-int(each.name.split("/")[1], 16))


def test_oldest_bundle_is_first(site):
    """Waiting bundles are in the order of the times of their objects, whatever their names."""
    node = Node(site, "one", open_objects=DatedObjects)
    bundles = [site.sign(version) for version in (2, 3, 4)]
    for bundle in bundles:
        node.submit(bundle)
    expected = sorted((bundle_id for bundle_id, _ in bundles), reverse=True)
    assert node.inbox.waiting() == node.inbox.fetch() == expected


def test_damaged_object(site):
    """A damaged object is refused and delays no other bundle; objects with other names stay."""
    node, bundle = Node(site, "one"), site.sign(2)
    objects = Objects(site.place)
    objects.create(f"incoming/{'0' * 64}/{'1' * 16}", b"no bundle\n")
    objects.create("incoming/README", b"no bundle")
    node.submit(bundle)
    results = {each.id: each.reason for each in node.publish()}
    assert results == {bundle[0]: "", "0" * 64: "bundle.json is not a regular file."}
    assert site.objects() == ["incoming/README"]


def test_garbage_collection_keeps_blobs_of_waiting_bundles(site):
    """Garbage collection keeps blobs of a bundle that waits only in S3."""
    blobs = LocalBlobs(site.world.folder.blobs)
    for data in (PACKAGE_2, b"stray"):
        (site.root / "source").write_bytes(data)
        blobs.ingest(site.root / "source", hashlib.sha256(data).hexdigest(), len(data))
    Node(site, "control").submit(site.bundle(site.world.second_release()))
    site.world.inbox = Node(site, "other").inbox
    removed = site.world.run(lambda publisher: publisher.collect_garbage(timedelta())).removed
    assert [blob.length for blob in removed] == [len(b"stray")]


def test_status_without_the_store(site, seaweed):
    """Without S3, the status of ended bundles is known; other requests raise an error."""
    control, publisher = Node(site, "control"), Node(site, "publisher")
    ended, waiting = site.sign(2), site.sign(99)
    control.submit(ended)
    publisher.publish()
    control.submit(waiting)
    with run_fault_proxy(seaweed.port) as proxy:
        faulty = seaweed.place(site.root.name, endpoint=proxy.endpoint)
        control.start(faulty, lambda place, **_: Objects(place, retries=0))
        proxy.fault = Fault.CLOSE
        assert control.status(ended) == control.submit(ended) == "published"
        for act in (control.status, control.submit):
            with pytest.raises(StorageError):
                act(waiting)


def dying_objects(place, at, *, is_sent):
    """Return a client of a process that ends at call `at`, and a function that opens it."""
    stopping = stopping_objects(place, at, is_sent=is_sent)
    return stopping, lambda *_, **__: stopping


def stop_at_each_call(stop):
    """Let `stop` end a process before each call, and after each write; return the calls.

    `stop` returns the name of the call, or an empty string if there are fewer. After a read, the
    store is the same as before it.
    """
    calls = []
    while name := stop(len(calls) + 1, is_sent=False):
        calls.append(name)
        if name in WRITES:
            assert stop(len(calls), is_sent=True) == name
    return calls


@pytest.mark.parametrize("is_refused", [False, True], ids=["published", "refused"])
def test_publisher_killed_at_each_call(site, is_refused):
    """If a publisher stops at any call, another one ends the bundle, and only once."""
    control = Node(site, "control")

    def stop(at, *, is_sent):
        stopping, open_objects = dying_objects(site.place, at, is_sent=is_sent)
        dying = Node(site, f"dying{at}{is_sent}", open_objects=open_objects)
        other = Node(site, f"other{at}{is_sent}")
        bundle = site.sign(99 if is_refused else site.next_version())
        assert control.submit(bundle) == "waiting"
        try:
            dying.publish()
            call = ""
        except EndedError:
            call = stopping.calls[at - 1]
        other.publish()
        dying.start()
        dying.publish()
        assert control.status(bundle) == ("refused" if is_refused else "published")
        assert site.new_entries() == ["receive", "refuse" if is_refused else "publish"]
        assert site.objects() == copies(dying) == copies(other) == []
        return call

    assert set(stop_at_each_call(stop)) == {"list", "get", "remove"}


def test_publisher_killed_at_each_step(site):
    """If a publisher stops after any step, the next machine completes the publication once."""
    control, dying, other = (Node(site, name) for name in ("control", "dying", "other"))
    for number, (step, is_back) in enumerate(product([2, 3, 4, 6], [False, True])):
        with case(step, is_back):
            bundle = site.sign(number + 2)
            control.submit(bundle)
            site.world.inbox = dying.inbox
            site.world.stop_after(step, lambda publisher: publisher.process_incoming())
            dying.start()
            (dying if is_back else other).publish()
            dying.publish()
            assert control.status(bundle) == "published"
            assert site.new_entries() == ["receive", "publish"]
            assert site.objects() == copies(dying) == copies(other) == []


def test_publisher_fails_after_the_result(site, monkeypatch):
    """A result in the database counts for the next machine, too."""
    control, dying, other = (Node(site, name) for name in ("control", "dying", "other"))

    def fail(*_arguments):
        raise EndedError

    for version, place in enumerate(("write_result", "hide_bundle"), 9):
        bundle = site.sign(version)
        control.submit(bundle)
        with monkeypatch.context() as patch:
            patch.setattr(f"server.publisher.incoming.{place}", fail)
            with pytest.raises(EndedError):
                dying.publish()
        other.publish()
        dying.start()
        dying.publish()
        assert control.status(bundle) == "refused"
        assert site.new_entries() == ["receive", "refuse"]
        assert site.objects() == copies(dying) == copies(other) == []


def test_control_node_killed_at_each_call(site):
    """If a control node stops at any call, the client can submit to another one."""
    publisher = Node(site, "publisher")

    def stop(at, *, is_sent):
        stopping, open_objects = dying_objects(site.place, at, is_sent=is_sent)
        dying = Node(site, f"dying{at}{is_sent}", open_objects=open_objects)
        other = Node(site, f"other{at}{is_sent}")
        bundle = site.sign(site.next_version())
        try:
            dying.submit(bundle)
            call = ""
        except EndedError:
            call = stopping.calls[at - 1]
        assert other.submit(bundle) == "waiting"
        publisher.publish()
        assert other.status(bundle) == "published"
        dying.start()
        dying.ask(lambda api: api.tidy())
        assert not list(dying.folder.incoming.iterdir())
        assert site.objects() == []
        assert dying.submit(bundle) == "published"
        assert [each for each in site.new_entries() if each != "receive"] == ["publish"]
        return call

    assert set(stop_at_each_call(stop)) == {"list", "create"}


def test_received_bundle_is_handed_in_after_a_restart(site):
    """A received bundle is handed in when its machine restarts, with one audit log entry."""
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


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.CUT_ANSWER, Fault.LOSE_ANSWER])
def test_store_fails_at_each_call(site, seaweed, fault):
    """If S3 fails at any call, the API and publisher report an error or succeed.

    Afterwards the bundle gets exactly one result.
    """
    with run_fault_proxy(seaweed.port) as proxy:
        faulty = seaweed.place(site.root.name, endpoint=proxy.endpoint)
        node, failures, at, calls, happened = Node(site, "one"), 0, 0, set(), True
        watched = WatchedObjects(faulty)

        def fail(number):
            if number == at and not healed:
                watched.be_hasty(True)
                proxy.limit = 100
                proxy.fault = fault

        while happened:
            at, healed = at + 1, False
            watched.watch(fail)
            node.start(faulty, lambda *_, **__: watched)
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
