"""A publisher whose store is silent, or that was overtaken, holds up no other and changes nothing.

Two machines share a database and a tree in S3, as in `test_machines`.
"""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.publisher.lease import NAME, LeaseLostError
from server.publisher.publisher import Publisher
from server.storage.control_models import Lease as LeaseRow
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.objects import Objects
from server.storage.s3_tree import S3Tree
from tests.server.publisher.test_machines import REQUESTS, check, public_files, start
from tests.server.site import Site, first_release, run_out

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]
FREE = select(LeaseRow.fence).where(LeaseRow.name == NAME).with_for_update(skip_locked=True)


class Interrupted(Objects):
    """Objects that call `before` with the number of each request, before it is sent."""

    calls = 0

    def before(self, number):
        """Do nothing."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in REQUESTS:
            self.calls += 1
            self.before(self.calls)
        return found


@pytest.fixture
def site(fresh_state, postgres, seaweed, tmp_path):
    """Give an empty site."""
    return Site(fresh_state, postgres, seaweed, tmp_path)


@pytest.fixture
def machines(site):
    """Give two machines at which one release is public; the first one's requests are watched."""
    one, two = site.machine("one"), site.machine("two")
    one.objects = Interrupted(site.tree)
    one.tree = S3Tree(one.objects, one.folder.public, one.folder.staging)
    first_release(one)
    two.ceremony = one.ceremony.copy()
    return one, two


def test_no_lock_is_held_while_the_store_is_asked(machines):
    """Whatever is published or removed, another publisher can take its turn during a request."""
    one, _ = machines
    locked = []

    async def try_lock(number):
        async with open_database(one.folder.database) as sessions, sessions.begin() as session:
            if (await session.execute(FREE)).one_or_none() is None:
                locked.append(number)

    for number in range(2, 11):
        assert one.publish({("tables", number): one.ceremony.role("tables", number)}).reason == ""
    one.objects.calls = 0
    one.objects.before = lambda number: asyncio.run(try_lock(number))
    files = {("tables", 11): one.ceremony.role("tables", 11), ("root", 2): one.ceremony.root(2)}
    assert one.publish(files).reason == ""
    one.ahead = timedelta(hours=2)
    assert one.run(Publisher.drain) > 0
    assert one.objects.calls > 30
    assert locked == []


def objects_of(site):
    """Return name and tag of everything in the store."""
    return {each.name: each.tag for each in Objects(site.tree).list()}


def test_overtaken_at_any_request(site, machines):
    """What the other one has made public stays, to the byte; what is left the next one removes."""
    one, two = machines
    number, at, is_reached = 1, 0, True
    while is_reached:
        at, number = at + 1, number + 1
        seen = {}

        def overtake(request, at=at, number=number, seen=seen):
            if request == at:
                run_out(two)
                bundle = two.submit({("content", number): two.ceremony.role("content", number)})
                start(two)
                assert two.alarms == []
                assert two.result(bundle).reason == ""
                seen.update(objects_of(site))

        one.submit({("tables", number): one.ceremony.role("tables", number)})
        one.objects.calls, one.objects.before = 0, overtake
        with contextlib.suppress(StorageError):
            one.run(Publisher.process_incoming)
        is_reached = bool(seen)
        one.objects.before = lambda _request: None
        if is_reached:
            check(two)
            after = objects_of(site)
            assert {name: after.get(name) for name in seen} == seen
        one.run(Publisher.repair)
        assert [name for name in objects_of(site) if name.startswith("staging/")] == []
        one.run(Publisher.process_incoming)
        assert one.published().versions()["tables"] == number
    assert at > 15
    check(one)
    two.run(Publisher.repair)
    assert public_files(two) == public_files(one)


def test_overtaken_by_one_that_dies(site, machines):
    """What the other one made public of a staged publication, the next one continues from."""
    one, two = machines
    two.run(Publisher.repair)

    class Overtaken(Objects):
        def create(self, name, data, headers=None):
            tag = super().create(name, data, headers)
            if name.startswith("staging/"):
                run_out(two)
                two.stop_after(5, Publisher.repair)
            return tag

    one.tree = S3Tree(Overtaken(site.tree), one.folder.public, one.folder.staging)
    one.submit({("tables", 2): one.ceremony.role("tables", 2)})
    with pytest.raises(LeaseLostError):
        one.run(Publisher.process_incoming)
    for world in machines:
        world.ahead = timedelta(minutes=1)  # what is signed again has other bytes
    two.run(Publisher.repair)
    assert two.published().versions()["tables"] == 2
    assert two.publish({("content", 2): two.ceremony.role("content", 2)}).reason == ""
    check(two)


def test_two_publications_of_one_second(site, machines):
    """Their timestamps can be equal; the one that came too late is discarded."""
    one, two = machines
    two.run(Publisher.repair)
    second = one.now()
    one.now = two.now = lambda: second

    class Late(Objects):
        def create(self, name, data, headers=None):
            if name.startswith("staging/"):
                run_out(two)
                assert two.publish({("content", 2): two.ceremony.role("content", 2)}).reason == ""
            return super().create(name, data, headers)

    one.tree = S3Tree(Late(site.tree), one.folder.public, one.folder.staging)
    one.submit({("tables", 2): one.ceremony.role("tables", 2)})
    with pytest.raises(LeaseLostError):
        one.run(Publisher.process_incoming)
    two.run(Publisher.repair)
    assert two.published().versions()["tables"] == 1
    assert two.publish({("tables", 2): two.ceremony.role("tables", 2)}).reason == ""
    check(two)
