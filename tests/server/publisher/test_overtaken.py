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
from tests.server.publisher.test_machines import check, public_files, start
from tests.server.site import run_out

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]
FREE = select(LeaseRow.fence).where(LeaseRow.name == NAME).with_for_update(skip_locked=True)


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
    one.objects.watch(lambda number: asyncio.run(try_lock(number)))
    files = {("tables", 11): one.ceremony.role("tables", 11), ("root", 2): one.ceremony.root(2)}
    assert one.publish(files).reason == ""
    one.ahead = timedelta(hours=2)
    assert one.run(Publisher.drain) > 0
    assert len(one.objects.calls) > 30
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

        def publish(request, at=at, number=number, seen=seen):
            if request == at:
                run_out(two)
                bundle = two.submit({("content", number): two.ceremony.role("content", number)})
                start(two)
                assert two.alarms == []
                assert two.result(bundle).reason == ""
                seen.update(objects_of(site))

        one.submit({("tables", number): one.ceremony.role("tables", number)})
        one.objects.watch(publish)
        with contextlib.suppress(StorageError):
            one.run(Publisher.process_incoming)
        is_reached = bool(seen)
        one.objects.watch()
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
    assert public_files(two.folder) == public_files(one.folder)


def overtake(one, before=lambda: None, after=lambda: None):
    """Let a machine lose its lease as it stages a publication; call functions at that moment."""
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


def test_overtaken_by_one_that_dies(machines):
    """What the other one made public of a staged publication, the next one continues from."""
    one, two = machines
    two.run(Publisher.repair)

    def die():
        run_out(two)
        two.stop_after(5, Publisher.repair)

    overtake(one, after=die)
    for world in machines:
        world.ahead = timedelta(minutes=1)  # what is signed again has other bytes
    two.run(Publisher.repair)
    assert two.published().versions()["tables"] == 2
    assert two.publish({("content", 2): two.ceremony.role("content", 2)}).reason == ""
    check(two)


def test_two_publications_of_one_second(machines):
    """Their timestamps can be equal; the one that came too late is discarded."""
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
