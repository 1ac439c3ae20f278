"""The data that a maintenance round removes and keeps, and the periods."""

import os

import pytest
from sqlalchemy import func, select

from server.cloud.law.policies import Policies
from server.cloud.law.rounds import Law
from server.cloud.settings import DAY, CloudSettings
from server.cloud.storage.bodies import LocalBodies, one_piece
from server.cloud.storage.lease import BACKUP, UPKEEP, take_lease
from server.cloud.storage.models import Chunk, Collection, Item, Revision
from server.cloud.storage.models import Session as SessionRow
from server.cloud.upkeep.rounds import OF_LAW, STEPS, Step, choose_steps, run_round
from server.cloud.upkeep.rows import HOUR, Retention, remove_sessions, retention_of
from server.core.cloud_policy import Lifetimes
from server.storage.errors import StorageError
from tests.cases import case
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import SECRETS, change, make_item, running, uid
from tests.server.cloud.law.conftest import open_law
from tests.server.cloud.policies import DAYS, make_policy

SETTINGS = CloudSettings(region="id")
BIG = 20_000


def make_law(cloud, database):
    """Return a law without a policy, so that the settings decide what is kept."""
    bodies = LocalBodies(cloud.folder / "bodies", os.urandom)
    return Law(database, bodies, SECRETS, Policies(database, ""), cloud.clock, os.urandom)


@pytest.fixture
def keep_up(cloud, database):
    """Return a function that runs a round after a number of seconds."""
    law = make_law(cloud, database)

    async def run(seconds):
        cloud.clock.seconds += seconds
        return await run_round(law, SETTINGS)

    return run


@pytest.fixture
async def device(cloud):
    """Return an owner's device."""
    return await cloud.device()


async def count(database, table):
    """Return how many rows a table has."""
    async with database() as db:
        return await db.scalar(select(func.count()).select_from(table))


def bodies_of(cloud):
    """Return the names of all bodies."""
    return sorted(path.name for path in cloud.stored_bodies())


async def used(device):
    """Return how many bytes count for the account."""
    return (await device.ask("GET", "usage"))[1]["used"]


@on_both
async def test_retention_of_replaced_revisions(cloud, database, device, keep_up):
    """A revision is removed 30 days after its replacement, with its chunks and bytes.

    A chunk that another revision names stays.
    """
    collection = (await device.create())["uid"]
    item = make_item(b"small")
    await device.batch(collection, item)
    assert (await device.batch(collection, change(item)))[0] == 200
    before = await used(device)
    first = make_item(os.urandom(BIG))
    await device.batch(collection, first)
    assert (await keep_up(100 * DAY))["revisions"] == 1  # that of the small item
    assert await count(database, Chunk) == 2
    second = change(first, chunks=[[uid(), os.urandom(BIG)]])
    assert (await device.batch(collection, second, way="transaction"))[0] == 200
    assert not any((await keep_up(30 * DAY)).values())
    assert await count(database, Revision) == 1
    done = await keep_up(1)
    assert (done["revisions"], done["chunks"]) == (1, 1)
    assert await count(database, Revision) == 0
    assert len(bodies_of(cloud)) == 1
    assert await used(device) == before - 64 + 64 + BIG
    _, listed = await device.call("GET", f"collection/{collection}/item/{first['uid']}/")
    assert listed["content"]["chunks"] == second["content"]["chunks"]


async def test_retention_of_deleted_items(database, device, keep_up):
    """A deleted item is removed after 400 days; others stay."""
    collection = (await device.create())["uid"]
    gone, stays = make_item(b"gone"), make_item(b"stays")
    await device.batch(collection, gone, stays)
    await device.batch(collection, change(gone, deleted=True, chunks=[]))
    assert (await keep_up(400 * DAY))["tombstones"] == 0
    assert (await keep_up(1))["tombstones"] == 1
    async with database() as db:
        assert set(await db.scalars(select(Item.uid))) == {collection, stays["uid"]}


@on_both
async def test_removal_of_a_deleted_collection(cloud, database, device, keep_up):
    """A deleted collection is removed with all its content; the account's other one is complete."""
    other = await device.create()
    before = await used(device)
    own = await device.create()
    for _ in range(3):
        items = [make_item(os.urandom(BIG if number == 0 else 10)) for number in range(80)]
        assert (await device.batch(own["uid"], *items))[0] == 200
    await device.batch(own["uid"], change(own, deleted=True))
    await keep_up(400 * DAY + 1)
    async with database() as db:
        assert list(await db.scalars(select(Collection.uid))) == [other["uid"]]
        assert list(await db.scalars(select(Item.uid))) == [other["uid"]]
    await device.log_in()
    assert await used(device) == before
    assert bodies_of(cloud) == []


@on_both
async def test_retention_of_chunks_sent_in_advance(cloud, database, device, keep_up):
    """A chunk sent in advance is removed a day after it was last sent, even if that got a 409."""
    collection = (await device.create())["uid"]
    chunk, body = uid(), os.urandom(BIG)
    address = f"collection/{collection}/item/{uid()}/chunk/{chunk}/"
    assert (await device.call("PUT", address, raw=body))[0] == 201
    assert (await keep_up(DAY - HOUR))["chunks"] == 0
    assert (await device.call("PUT", address, raw=body))[0] == 409
    assert (await keep_up(2 * HOUR))["chunks"] == 0
    item = make_item()
    item["content"]["chunks"] = [[chunk]]
    late = await keep_up(DAY)
    assert late["chunks"] == 1
    assert bodies_of(cloud) == []
    assert await count(database, Chunk) == 0
    status, answer = await device.batch(collection, item)
    assert (status, answer["code"]) == (400, "chunk_no_content")


async def test_removal_of_unreferenced_bodies(cloud, device, keep_up):
    """Each day, bodies that no row names are removed if they are older than a day."""
    collection = (await device.create())["uid"]
    await device.batch(collection, make_item(os.urandom(BIG)))
    bodies = LocalBodies(cloud.folder / "bodies", os.urandom)
    for name in ("old", "young"):
        await bodies.put(f"blobs/1/{name}", one_piece(b"body"))
    for path in (cloud.folder / "bodies").rglob("*"):
        if path.name != "young":
            os.utime(path, (1, 1))
    young = cloud.folder / "bodies" / "blobs" / "1" / "young"
    os.utime(young, (cloud.clock.seconds, cloud.clock.seconds))
    assert (await keep_up(HOUR))["bodies"] == 1
    assert len(bodies_of(cloud)) == 2
    assert "young" in bodies_of(cloud)
    assert (await keep_up(DAY - 1))["bodies"] == 0
    assert (await keep_up(HOUR))["bodies"] == 1


async def test_removal_of_expired_sessions(cloud, database, device, keep_up):
    """Only expired sessions are removed, by one node at a time."""
    lease = await take_lease(database, UPKEEP)
    assert await keep_up(1) is None
    await lease.release(database)
    cloud.clock.seconds += 300 * DAY
    await device.log_in()
    assert (await keep_up(100 * DAY))["sessions"] == 1
    assert await count(database, SessionRow) == 1
    assert (await device.ask("GET", "usage"))[0] == 200


async def test_a_backup_keeps_bodies(cloud, database, device, keep_up):
    """During a backup rows are removed but their bodies stay; a later round removes the bodies."""
    token = await device.make_token()
    collection = (await device.create())["uid"]
    item = make_item(os.urandom(BIG))
    await device.batch(collection, item)
    await device.batch(collection, change(item, chunks=[]))
    backup = await take_lease(database, BACKUP)
    assert (await keep_up(31 * DAY))["chunks"] == 1
    assert len(bodies_of(cloud)) == 1
    for path in (cloud.folder / "bodies").rglob("*"):
        os.utime(path, (1, 1))
    assert (await keep_up(2 * DAY))["bodies"] == 0
    await backup.release(database)
    assert (await keep_up(2 * DAY))["bodies"] == 1
    assert bodies_of(cloud) == []
    assert token


@on_both
async def test_failing_step_stops_no_later_step(cloud, database, device):
    """A failing step stops no later step; its error is raised at the end, without the lease."""
    cloud.clock.seconds += 401 * DAY
    law = make_law(cloud, database)

    async def fail(_work):  # noqa: RUF029 - a step like the others
        raise StorageError("the store is away")

    steps = (Step("bodies", fail), Step("sessions", remove_sessions))
    with pytest.raises(StorageError, match="the store is away"):
        await run_round(law, SETTINGS, steps)
    assert await count(database, SessionRow) == 0
    assert await run_round(law, SETTINGS) is not None
    assert device.token


def test_intervals_of_steps():
    """Steps of the law and others run as often as their settings say, from the second minute on."""
    settings = CloudSettings(region="id", law_minutes=2, upkeep_minutes=3)
    of_law, rest = set(OF_LAW), set(STEPS) - set(OF_LAW)
    chosen = {minute: set(choose_steps(minute, settings)) for minute in range(1, 7)}
    assert chosen == {1: set(), 2: of_law, 3: rest, 4: of_law, 5: set(), 6: of_law | rest}
    assert {step.name for step in OF_LAW} >= {"announced erasures", "erasures"}


SHORT = CloudSettings(
    region="id", revisions_days=20, tombstones_days=30, session_days=40, leftover_hours=1
)
POLICY = {**DAYS, "revisions": 2, "tombstones": 3, "session_idle": 4}


def test_shorter_period_of_policy_and_settings():
    """Of each period in policy and settings, the shorter one is used."""
    for days, kept in (
        (None, (20, 30, 40)),
        (POLICY, (2, 3, 4)),
        ({**DAYS, "revisions": 21}, (20, 30, 40)),
    ):
        revisions, tombstones, sessions = (number * DAY for number in kept)
        policy = None if days is None else Lifetimes(**days)
        with case(days):
            expected = Retention(sessions, revisions, tombstones, 60 * 60)
            assert retention_of(SHORT, policy) == expected


@on_both
async def test_rounds_use_the_periods_of_the_policy(place, tmp_path):
    """Replaced revisions and deleted items stay for the policy's days, not the settings'."""
    policy = make_policy(version=2, days=POLICY)
    async with running(place, tmp_path, policies=(policy,)) as cloud:
        device = await cloud.device(agrees=False)
        assert (await device.agree(policy))[0] == 201
        collection = (await device.create())["uid"]
        for deleted in (False, True):
            item = make_item(os.urandom(100))
            await device.batch(collection, item)
            await device.batch(collection, change(item, deleted=deleted, chunks=[]))
        begin = cloud.clock.seconds
        async with open_law(place, tmp_path, cloud.clock) as law:
            for name, removed in (("revisions", 2), ("tombstones", 1)):
                cloud.clock.seconds = begin + POLICY[name] * DAY
                assert (await run_round(law, SHORT))[name] == 0
                cloud.clock.seconds += 1
                assert (await run_round(law, SHORT))[name] == removed
