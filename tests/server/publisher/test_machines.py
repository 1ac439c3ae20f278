"""Two machines that share a database and a tree in S3: one dies at any request, the other goes on.

Each has a copy of the tree. What one has made public the other continues from, to the byte.
"""

import asyncio
import contextlib
import dataclasses
import os
from datetime import timedelta

import pytest

from server.device.snapshot import EMPTY, load_snapshot
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
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.site import Site, first_release, run_out
from tests.server.world import CHANNEL, StoppedError, halt, refresh_from_disk

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]


REQUESTS = {"get", "get_newer", "is_there", "create", "replace", "remove", "list"}


class Mortal(Objects):
    """Objects whose process dies at the request `at`: before it is sent, or after its answer."""

    at = 0
    is_sent = False
    lost = ""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name not in REQUESTS:
            return found

        def ask(*args, **kwargs):
            if self.lost and args[0].endswith(self.lost):
                message = f"the S3 store does not answer for {args[0]}."
                raise StorageError(message)
            self.at -= 1
            if self.at == 0 and not self.is_sent:
                raise StoppedError
            answer = found(*args, **kwargs)
            answer = list(answer) if name == "list" else answer
            if self.at == 0:
                raise StoppedError
            return answer

        return ask


@pytest.fixture
def machines(fresh_state, postgres, seaweed, tmp_path):
    """Give two machines on one database and one prefix of S3, with nothing public."""
    site = Site(fresh_state, postgres, seaweed, tmp_path)
    made = [site.machine(name) for name in ("one", "two")]
    for world in made:
        world.objects = Mortal(site.tree)
        world.tree = S3Tree(world.objects, world.folder.public, world.folder.staging)
    return made


def public_files(world):
    """Return the bytes of all public files of a machine's copy."""
    public = world.folder.public
    return {
        path.relative_to(public).as_posix(): path.read_bytes()
        for path in public.rglob("*")
        if path.is_file()
    }


def start(world):
    """Repair, then process what waits, as a process that starts; return the version in between."""

    async def act(publisher):
        await publisher.repair()
        repaired = await asyncio.to_thread(world.published)
        await publisher.process_incoming()
        return repaired.versions()["tables"]

    return world.run(act)


def check(world):
    """Assert that the copy verifies, that log and metadata agree, and that nothing is left over."""
    version, _ = refresh_from_disk(world.folder, [CHANNEL.pointer_path])
    assert version == world.published().timestamp.version
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    check_metadata_is_logged(world.folder, leaves)
    assert not world.folder.staging.exists()
    assert list(world.folder.root.rglob(".tmp-*")) == []


def test_they_take_turns(machines):
    """Each publishes after the other, and both copies are equal; a new machine gets the same."""
    one, two = machines
    first_release(one)
    two.tree.refresh(0)
    assert public_files(two) == public_files(one)
    check(two)
    two.ceremony = one.ceremony.copy()
    for number, world in enumerate((two, one, two, two, one), start=2):
        role = {("tables", number): world.ceremony.role("tables", number)}
        assert world.publish(role).reason == ""
        check(world)
    two.tree.refresh(0)
    assert public_files(two) == public_files(one)
    assert list(one.objects.list("staging")) == []


def test_superseded_files_leave_a_copy(machines):
    """What a node serves stays, and what is newer; a node whose copy lacked it could not go on."""
    one, two = machines
    first_release(one)
    for number in range(2, 13):
        role = {("tables", number): one.ceremony.role("tables", number)}
        assert one.publish(role).reason == ""
        if number == 11:
            two.tree.refresh(0)
            shown = load_snapshot(two.folder.public, one.blobs, EMPTY)
    two.tree.refresh(0)
    two.tree.keep_only(path[1:] for path in shown.documents)
    removed = {name for name in public_files(one) if name not in public_files(two)}
    assert removed >= {"metadata/1.tables.json", "metadata/2.tables.json"}
    assert {path[1:] for path in shown.documents} <= public_files(two).keys()
    assert two.published().versions()["tables"] == 12
    check(two)


@pytest.mark.parametrize("lost", ["log/proof/tables.2", "log/proof/root.2", "2.tables.json"])
def test_some_files_of_a_publication_do_not_come(machines, lost):
    """The next look fetches them, though others came."""
    one, two = machines
    first_release(one)
    two.tree.refresh(0)
    files = {("tables", 2): one.ceremony.role("tables", 2), ("root", 2): one.ceremony.root(2)}
    assert one.publish(files).reason == ""
    two.objects.lost = lost
    with pytest.raises(StorageError, match="does not answer"):
        two.tree.follow()
    two.objects.lost = ""
    assert two.tree.follow()
    assert public_files(two) == public_files(one)
    assert not two.tree.follow()


def test_a_checkpoint_that_no_key_signed(machines):
    """One of a log that nobody could hold is fetched, and refused later, without a long search."""
    one, two = machines
    first_release(one)
    two.tree.refresh(0)
    assert one.publish({("tables", 2): one.ceremony.role("tables", 2)}).reason == ""
    lines = (one.folder.public / "log" / "checkpoint").read_bytes().split(b"\n")
    lines[1] = b"9000000000000000"
    one.objects.remove("tree/log/checkpoint")
    one.objects.create("tree/log/checkpoint", b"\n".join(lines))
    two.objects.at = -1  # requests are counted
    assert two.tree.follow()
    assert -two.objects.at < 20
    assert (two.folder.public / "metadata" / "2.tables.json").exists()


class Shaken(Objects):
    """Objects whose requests meet a fault once: each of them, or the one with the number `at`."""

    at = calls = 0

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in REQUESTS:
            self.calls += 1
            if self.at in {0, self.calls}:
                self.proxy.times = 1
                self.proxy.fault = self.fault
        return found


@pytest.fixture
def shaken(machines, seaweed, monkeypatch):
    """Give the second machine after the first release; a proxy is on its way to the store."""
    monkeypatch.setattr(s3_tree, "AT_ONCE", 1)  # a new fault closes all connections
    one, two = machines
    first_release(one)
    two.ceremony = one.ceremony.copy()
    with run_fault_proxy(seaweed.port) as proxy:
        proxy.limit = 20
        place = dataclasses.replace(two.folder.tree, endpoint=proxy.endpoint)
        two.objects = Shaken(place, patience=timedelta(seconds=1))
        two.objects.proxy = proxy
        two.tree = S3Tree(two.objects, two.folder.public, two.folder.staging)
        yield two


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.ERROR, Fault.CLOSE, Fault.CUT_ANSWER])
def test_each_request_fails_once(machines, shaken, fault):
    """It is sent again, and what is published is the same; no write is done twice."""
    shaken.objects.fault = fault
    shaken.tree.refresh(0)
    files = {
        ("tables", 2): shaken.ceremony.role("tables", 2),
        ("root", 2): shaken.ceremony.root(2),
    }
    assert shaken.publish(files).reason == ""
    assert shaken.objects.proxy.connections > 20
    shaken.objects.proxy.fault = Fault.NONE
    check(shaken)
    machines[0].tree.refresh(0)
    assert public_files(machines[0]) == public_files(shaken)


@pytest.mark.parametrize("fault", [Fault.SILENCE, Fault.LOSE_ANSWER])
def test_a_request_that_is_not_answered(machines, shaken, fault):
    """Whichever it is, carried out or not: the next attempt completes what it was for."""
    objects, number, is_reached = shaken.objects, 1, True
    objects.at, objects.fault = -1, fault
    shaken.tree.refresh(0)
    while is_reached:
        number, objects.at, objects.calls = number + 1, number, 0
        bundle = shaken.submit({("tables", number): shaken.ceremony.role("tables", number)})
        with contextlib.suppress(StorageError):
            shaken.run(Publisher.process_incoming)
        is_reached = objects.calls >= objects.at
        objects.proxy.fault, objects.at = Fault.NONE, -1
        start(shaken)
        assert shaken.result(bundle).reason == ""
        check(shaken)
    machines[0].tree.refresh(0)
    assert public_files(machines[0]) == public_files(shaken)


@pytest.mark.parametrize("is_sent", [False, True], ids=["request lost", "answer lost"])
def test_one_dies_at_any_request(machines, is_sent):
    """The other publishes the same once; the one that comes back finds it so."""
    one, two = machines
    first_release(one)
    number, at = 1, 0
    while True:
        at, number = at + 1, number + 1
        files = {("tables", number): one.ceremony.role("tables", number)}
        before = one.published().versions()["tables"]
        one.objects.at, one.objects.is_sent = at, is_sent
        bundle = one.submit(files)
        try:
            one.run(Publisher.process_incoming)
        except StoppedError:
            pass
        else:
            break
        run_out(two)
        again = two.submit(files)
        assert start(two) in {before, number}
        assert two.result(again).reason == ""
        assert two.published().versions()["tables"] == number
        check(two)
        one.objects.at = 0
        run_out(one)
        start(one)
        assert one.result(bundle).status == "published"
        assert public_files(one) == public_files(two)
        check(one)
    assert at > 15
    assert one.alarms == two.alarms == []


def test_a_copy_is_compared_with_the_store(machines):
    """`check` brings it up to date, names a file that is lost, and says that the store is away.

    For another user than the owner, as root, it leaves the copy as it is.
    """
    one, two = machines
    first_release(one)
    (left,) = check_store(two.folder, os.geteuid() + 1)
    assert left.detail.startswith("not compared")
    assert public_files(two) == {}
    assert [(each.subject, each.error) for each in check_store(two.folder, os.geteuid())] == [
        ("store", "")
    ]
    assert public_files(two) == public_files(one)
    (two.folder.public / "log" / "proof" / "root.1").write_bytes(b"cut")
    (lost,) = check_store(two.folder, os.geteuid())
    assert lost.error.endswith(", log/proof/root.1 first: copy each from where it is whole.")
    one.objects.remove("tree/metadata/1.tables.json")
    (lost,) = check_store(one.folder, os.geteuid())
    assert ", metadata/1.tables.json first: " in lost.error
    place = dataclasses.replace(two.folder.tree, endpoint="http://127.0.0.1:9")
    (away,) = check_store(dataclasses.replace(two.folder, tree=place), os.geteuid())
    assert away.error.endswith("Phones are served from the copies meanwhile.")


def test_a_store_that_was_emptied(machines):
    """A process that starts publishes nothing into it; with the files back all go on."""
    one, two = machines
    first_release(one)
    two.tree.refresh(0)
    kept = {
        each.name: one.objects.get(each.name, limit=1 << 20) for each in one.objects.list("tree")
    }
    for name in kept:
        one.objects.remove(name)
    started = S3Tree(two.objects, two.folder.public, two.folder.staging)
    for look in (lambda: started.refresh(0), started.follow):
        with pytest.raises(StorageError, match="look at tree_url; a store that was emptied needs"):
            look()
    assert list(one.objects.list("tree")) == []
    for path, data in public_files(two).items():
        one.objects.create(f"tree/{path}", data)
    for tree in (started, one.tree):
        tree.refresh(0)
    assert check_store(two.folder, os.geteuid())[0].error == ""


def test_the_database_is_filled_on_a_new_machine(machines, postgres):
    """Its copy is brought up to date first, so no leaf is forgotten."""
    one, two = machines
    first_release(one)
    empty = dataclasses.replace(two.folder, database_url=postgres.make_database())
    leaves = check_log(one.folder, one.keys.log_verifier.public)
    assert two.on(empty).rebuild().leaves == len(leaves)


def test_a_back_up_has_what_another_machine_published(machines, tmp_path):
    """It brings the copy up to date under the lease, with what is accepted and not public yet."""
    one, two = machines
    first_release(one)
    one.stop_after(3, lambda publisher: publisher.change_pointers(halt()))
    run_out(one)
    out = tmp_path / "out"

    async def back_up_two():
        async with open_database(two.folder.database) as sessions:
            return await back_up(two.folder, sessions, None, out)

    asyncio.run(back_up_two())
    assert load_published(out / "public").timestamp.version == one.published().timestamp.version
    assert (out / "staging" / "publication").is_dir()
