"""Two machines share a database and a tree in S3; one may stop at any request.

Each has a copy of the tree, and continues exactly from what the other has published. A machine
without an answer from its store, or one that was overtaken, neither blocks the other nor changes
anything.
"""

import asyncio
import contextlib
import dataclasses
import os
from datetime import timedelta

import pytest

from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.lease import NAME, LeaseLostError
from server.publisher.maintenance.backup import back_up
from server.publisher.maintenance.check import check_store
from server.publisher.published import load_published
from server.publisher.publisher import Publisher
from server.storage import s3_tree
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.objects import Objects
from server.storage.s3_tree import S3Tree
from tests.fault_proxy import Fault, run_fault_proxy
from tests.postgres import fetch
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.site import run_out
from tests.server.world import CHANNEL, halt, refresh_from_disk
from tests.watched_objects import WRITES, EndedError, WatchedObjects

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]


def public_files(folder):
    """Return the bytes of all public files of a machine's copy."""
    public = folder.public
    return {
        path.relative_to(public).as_posix(): path.read_bytes()
        for path in public.rglob("*")
        if path.is_file()
    }


def start(world):
    """Repair, then process bundles, as a new process does; return the version in between."""

    async def act(publisher):
        await publisher.repair()
        repaired = await asyncio.to_thread(world.published)
        await publisher.process_incoming()
        return repaired.versions()["tables"]

    return world.run(act)


def check(world):
    """Assert that the copy verifies, log and metadata agree, and no temporary file is left."""
    version, _ = refresh_from_disk(world.folder, [CHANNEL.pointer_path])
    assert version == world.published().timestamp.version
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    check_metadata_is_logged(world.folder, leaves)
    assert not world.folder.staging.exists()
    assert list(world.folder.root.rglob(".tmp-*")) == []


def test_keep_only_removes_superseded_files(machines):
    """`keep_only` removes superseded files, but neither served nor newer ones.

    Without the newer files, the machine could not continue.
    """
    one, two = machines
    chain = {("tables", number): one.ceremony.role("tables", number) for number in range(2, 12)}
    assert one.publish(chain).reason == ""
    two.tree.refresh(0)
    shown = load_snapshot(two.folder.public, one.blobs, EMPTY)
    assert one.publish({("tables", 12): one.ceremony.role("tables", 12)}).reason == ""
    two.tree.refresh(0)
    two.tree.keep_only(path[1:] for path in shown.documents)
    removed = {name for name in public_files(one.folder) if name not in public_files(two.folder)}
    assert removed >= {"metadata/1.tables.json", "metadata/2.tables.json"}
    assert {path[1:] for path in shown.documents} <= public_files(two.folder).keys()
    assert two.published().versions()["tables"] == 12
    check(two)


def test_refresh_after_lost_files(machines):
    """If some files of a publication cannot be fetched, the next refresh fetches them."""
    one, two = machines
    two.tree.refresh(0)
    for number, lost in enumerate(
        ("log/proof/tables.{}", "log/proof/root.{}", "{}.tables.json"), 2
    ):
        roles = one.ceremony.role("tables", number), one.ceremony.root(number)
        assert one.publish({("tables", number): roles[0], ("root", number): roles[1]}).reason == ""
        two.objects.lost = lost.format(number)
        with pytest.raises(StorageError, match="does not answer"):
            two.tree.follow()
        two.objects.lost = ""
        assert two.tree.follow()
        assert public_files(two.folder) == public_files(one.folder)
        assert not two.tree.follow()


def test_checkpoint_of_an_impossible_size(machines):
    """A checkpoint of an impossible size is fetched with few requests; verification comes later."""
    one, two = machines
    two.tree.refresh(0)
    assert one.publish({("tables", 2): one.ceremony.role("tables", 2)}).reason == ""
    lines = (one.folder.public / "log" / "checkpoint").read_bytes().split(b"\n")
    lines[1] = b"9000000000000000"
    one.objects.remove("tree/log/checkpoint")
    one.objects.create("tree/log/checkpoint", b"\n".join(lines))
    two.objects.watch()
    assert two.tree.follow()
    assert len(two.objects.calls) < 20
    assert (two.folder.public / "metadata" / "2.tables.json").exists()


@pytest.fixture
def proxy(machines, seaweed, monkeypatch):
    """Yield a proxy between the second machine and the store."""
    monkeypatch.setattr(s3_tree, "AT_ONCE", 1)  # a new fault closes all connections
    two = machines[1]
    with run_fault_proxy(seaweed.port) as proxy:
        proxy.limit = 20
        place = dataclasses.replace(two.folder.tree, endpoint=proxy.endpoint)
        two.objects = WatchedObjects(place)
        two.tree = S3Tree(two.objects, two.folder.public, two.folder.staging)
        yield proxy


PASSING = [Fault.BUSY, Fault.ERROR, Fault.CLOSE]


@pytest.mark.parametrize("faults", [PASSING, [Fault.CUT_ANSWER]], ids=["refused", "carried out"])
def test_failed_requests_are_repeated(machines, proxy, faults):
    """Each request that fails is repeated, and the publication is the same."""
    one, two = machines

    def fail(number):
        proxy.times = 1
        proxy.fault = faults[number % len(faults)]

    two.objects.watch(fail)
    two.tree.refresh(0)
    files = {("tables", 2): two.ceremony.role("tables", 2), ("root", 2): two.ceremony.root(2)}
    assert two.publish(files).reason == ""
    assert proxy.connections > 20
    proxy.fault = Fault.NONE
    check(two)
    one.tree.refresh(0)
    assert public_files(one.folder) == public_files(two.folder)


# A third of the unexecuted requests. A read whose answer is lost is like one of them.
@pytest.mark.parametrize(("fault", "step"), [(Fault.SILENCE, 3), (Fault.LOSE_ANSWER, 1)])
def test_unanswered_requests(machines, proxy, fault, step):
    """After an unanswered request, executed or not, the next attempt completes the publication."""
    one, two = machines
    at, number, is_reached = 1 - step, 1, True
    two.tree.refresh(0)

    def fail(request):
        if request == at:
            two.objects.be_hasty(True)
            proxy.times = 1
            proxy.fault = fault

    while is_reached:
        at, number = at + step, number + 1
        bundle = two.submit({("tables", number): two.ceremony.role("tables", number)})
        two.objects.watch(fail)
        with contextlib.suppress(StorageError):
            two.run(Publisher.process_incoming)
        is_reached = len(two.objects.calls) >= at
        two.objects.watch()
        two.objects.be_hasty(False)
        proxy.fault = Fault.NONE
        start(two)
        assert two.result(bundle).reason == ""
        check(two)
    assert at > 15
    one.tree.refresh(0)
    assert public_files(one.folder) == public_files(two.folder)


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
def test_machine_stops_at_any_write(machines, is_sent):
    """If a machine stops before or after any write, the other publishes the same once.

    When the first one starts again, it finds the bundle published. Stopping at a read would leave
    the same as stopping before the next write.
    """
    one, two = machines
    number, is_reached = 1, True
    while is_reached:
        number += 1
        files = {("tables", number): one.ceremony.role("tables", number)}
        one.objects.end_at(number - 1, is_sent=is_sent, counted=WRITES)
        bundle = one.submit(files)
        try:
            one.run(Publisher.process_incoming)
            is_reached = False
        except EndedError:
            pass
        again = two.submit(files)
        assert start(two) in {number - 1, number}
        assert two.result(again).reason == ""
        assert two.published().versions()["tables"] == number
        check(two)
        one.objects.watch()
        start(one)
        assert one.result(bundle).status == "published"
        assert public_files(one.folder) == public_files(two.folder)
    assert number > 10
    check(one)
    assert one.alarms == two.alarms == []


def test_check_compares_copy_and_store(machines):
    """`check` refreshes the copy, names lost files, and reports a store that does not answer.

    For another user than the owner, such as root, it leaves the copy as it is.
    """
    one, two = machines
    (left,) = check_store(two.folder, os.geteuid() + 1)
    assert left.detail.startswith("not compared")
    assert public_files(two.folder) == {}
    assert [(each.subject, each.error) for each in check_store(two.folder, os.geteuid())] == [
        ("store", "")
    ]
    assert public_files(two.folder) == public_files(one.folder)
    (two.folder.public / "log" / "proof" / "root.1").write_bytes(b"cut")
    (lost,) = check_store(two.folder, os.geteuid())
    assert "the first is log/proof/root.1: copy each from the side where it is" in lost.error
    one.objects.remove("tree/metadata/1.tables.json")
    (lost,) = check_store(one.folder, os.geteuid())
    assert "the first is metadata/1.tables.json: " in lost.error
    place = dataclasses.replace(two.folder.tree, endpoint="http://127.0.0.1:9")
    (away,) = check_store(dataclasses.replace(two.folder, tree=place), os.geteuid())
    assert away.error.endswith("Phones are served from the copies meanwhile.")


def test_emptied_store(machines):
    """Nothing is published into an emptied store; once its files are back, machines continue."""
    one, two = machines
    two.tree.refresh(0)
    kept = {
        each.name: one.objects.get(each.name, limit=1 << 20) for each in one.objects.list("tree")
    }
    for name in kept:
        one.objects.remove(name)
    started = S3Tree(two.objects, two.folder.public, two.folder.staging)
    for look in (lambda: started.refresh(0), started.follow):
        with pytest.raises(StorageError, match=r"check tree_url\. If the store was emptied, copy"):
            look()
    assert list(one.objects.list("tree")) == []
    for path, data in public_files(two.folder).items():
        one.objects.create(f"tree/{path}", data)
    for tree in (started, one.tree):
        tree.refresh(0)
    assert check_store(two.folder, os.geteuid())[0].error == ""


def test_rebuild_refreshes_the_copy(machines, postgres):
    """`rebuild` refreshes the copy first, so that no leaf is missing."""
    one, two = machines
    empty = dataclasses.replace(two.folder, database_url=postgres.make_database())
    leaves = check_log(one.folder, one.keys.log_verifier.public)
    assert two.on(empty).rebuild().leaves == len(leaves)


def test_backup_refreshes_the_copy(machines, tmp_path):
    """A backup first refreshes the copy, and includes an accepted publication."""
    one, two = machines
    one.stop_after(3, lambda publisher: publisher.change_pointers(halt()))
    out = tmp_path / "out"

    async def back_up_two():
        async with open_database(two.folder.database) as sessions:
            return await back_up(two.folder, sessions, None, out)

    asyncio.run(back_up_two())
    assert load_published(out / "public").timestamp.version == one.published().timestamp.version
    assert (out / "staging" / "publication").is_dir()


FREE = f"SELECT fence FROM leases WHERE name = '{NAME}' FOR UPDATE SKIP LOCKED"


def test_lease_row_is_not_locked_during_requests(machines):
    """The lease's row is not locked during a request to the store."""
    one, _ = machines
    locked = []

    def try_lock(number):
        if not fetch(one.folder.database_url, FREE):
            locked.append(number)

    chain = {("tables", number): one.ceremony.role("tables", number) for number in range(2, 11)}
    assert one.publish(chain).reason == ""
    one.objects.watch(try_lock)
    files = {("tables", 11): one.ceremony.role("tables", 11), ("root", 2): one.ceremony.root(2)}
    assert one.publish(files).reason == ""
    one.ahead = timedelta(hours=2)
    assert one.run(Publisher.drain) > 0
    assert {"create", "replace", "remove"} <= set(one.objects.calls)
    assert locked == []


def tags(objects):
    """Return name and ETag of every object in the store."""
    return {each.name: each.tag for each in objects.list()}


def test_overtaken_at_any_request(site, machines):
    """A machine that is overtaken at any request changes nothing that the other published.

    The next repair removes what it left.
    """
    one, two = machines
    store = Objects(site.tree)
    number, at, is_reached = 1, 0, True
    while is_reached:
        at, number = at + 1, number + 1
        seen = {}

        def publish(request, at=at, number=number, seen=seen):
            if request == at:
                run_out(two)
                bundle = two.submit({("content", number): two.ceremony.role("content", number)})
                start(two)
                assert two.alarms == []
                assert two.result(bundle).reason == ""
                seen.update(tags(store))

        one.submit({("tables", number): one.ceremony.role("tables", number)})
        one.objects.watch(publish)
        with contextlib.suppress(StorageError):
            one.run(Publisher.process_incoming)
        is_reached = bool(seen)
        one.objects.watch()
        if is_reached:
            check(two)
            after = tags(store)
            assert {name: after.get(name) for name in seen} == seen
        one.run(Publisher.repair)
        assert [name for name in tags(store) if name.startswith("staging/")] == []
        one.run(Publisher.process_incoming)
        assert one.published().versions()["tables"] == number
    assert at > 15
    check(one)
    two.run(Publisher.repair)
    assert public_files(two.folder) == public_files(one.folder)


def overtake(one, before=lambda: None, after=lambda: None):
    """Make a machine lose its lease while it stages a publication, calling both functions then."""
    create = one.objects.create

    def stage(name, *arguments):
        is_staged = name.startswith("staging/")
        if is_staged:
            before()
        tag = create(name, *arguments)
        if is_staged:
            after()
        return tag

    one.objects.create = stage
    one.submit({("tables", 2): one.ceremony.role("tables", 2)})
    with pytest.raises(LeaseLostError):
        one.run(Publisher.process_incoming)


def test_overtaken_by_a_machine_that_stops(machines):
    """A half-published staged publication is continued by the next machine."""
    one, two = machines
    two.run(Publisher.repair)

    def die():
        run_out(two)
        two.stop_after(5, Publisher.repair)

    overtake(one, after=die)
    for world in machines:
        world.ahead = timedelta(minutes=1)  # signing again would give other bytes
    two.run(Publisher.repair)
    assert two.published().versions()["tables"] == 2
    assert two.publish({("content", 2): two.ceremony.role("content", 2)}).reason == ""
    check(two)


def test_two_publications_with_an_equal_timestamp(machines):
    """Of two publications with an equal timestamp, the later one is discarded."""
    one, two = machines
    two.run(Publisher.repair)
    second = one.now()
    one.now = two.now = lambda: second

    def publish():
        run_out(two)
        assert two.publish({("content", 2): two.ceremony.role("content", 2)}).reason == ""

    overtake(one, before=publish)
    two.run(Publisher.repair)
    assert two.published().versions()["tables"] == 1
    assert two.publish({("tables", 2): two.ceremony.role("tables", 2)}).reason == ""
    check(two)
