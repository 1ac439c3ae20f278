"""A cloud's process is killed with SIGKILL at each named point: no acknowledged data is lost."""

import asyncio
import dataclasses
import re
import shutil

import pytest
from alembic import command
from nacl.signing import SigningKey
from sqlalchemy import select, update

from server.cloud.copying.backup import back_up
from server.cloud.copying.check import check_cloud
from server.cloud.law.erasure import DONE
from server.cloud.law.notices import ANNOUNCED
from server.cloud.settings import DAY, CloudFolder
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import one_piece
from server.cloud.storage.law_models import Erasure
from server.cloud.storage.models import Lease
from server.cloud.upkeep.rounds import OF_LAW, run_round
from server.storage.database import load_migrations, open_database, with_connection
from tests.crash.cloud_zygote import SETTINGS, prepare, restore_into
from tests.crash.forks import forking
from tests.server.cloud.device import Device, running
from tests.server.cloud.law.test_consents import read_receipt
from tests.server.cloud.policies import LAW

_LOCKED = "accounts,collections"
_ALL = "accounts,(?!alembic_version).*"  # a migration writes some, too


def _commit(before, after, tables):
    """Return the points before and after a commit."""
    return {before: f"commit {tables}", after: f"committed {tables}"}


def _body(name, kind):
    """Return the two points of a body that is written and renamed."""
    return {
        f"{name} is not begun": rf"create cloud/bodies/{kind}/.*",
        f"{name} is written and has no name": rf"rename cloud/bodies/{kind}/.*",
    }


def _rows(name, table):
    """Return the points before and after a commit that includes a table."""
    return _commit(f"{name} not committed", f"{name} committed", rf"(?:\w+,)*{table}(?:,\w+)*")


_USE = _commit("use is not noted", "use is noted", "accounts,erasures")

#: The points of each story: a name, and the durable change that follows it.
POINTS = {
    "transaction": {**_USE, **_body("a chunk", "chunks"), **_rows("items are", "items")},
    "collection": {**_USE, **_rows("a collection is", "collections")},
    "chunk": {**_USE, **_body("a chunk", "chunks"), **_rows("a chunk is", "chunks")},
    "object": {**_USE, **_body("an object", "blobs"), **_rows("an object is", "blobs")},
    "removal": {
        **_USE,
        **_rows("a removal is", "blobs"),
        "an object has no row and is there": r"remove cloud/bodies/blobs/.*",
    },
    "vault": {
        **_USE,
        **_rows("the removal of a vault is", "blobs"),
        "objects have no rows and are there": r"remove cloud/bodies/blobs/.*",
    },
    "upkeep": {
        **_commit("no process has the lease", "the lease is taken", "leases"),
        **_commit("records are there", "records are forgotten", "codes,erasures,.*"),
        **_commit("sessions are there", "sessions are removed", "leases,sessions"),
        **_commit("revisions are there", "revisions are removed", f"{_LOCKED},leases,revisions"),
        **_commit("tombstones are there", "tombstones are removed", f"{_LOCKED},items,.*"),
        **_commit("chunks are there", "chunks are removed", "accounts,chunks,collections,leases"),
        "a chunk has no row and is there": r"remove cloud/bodies/chunks/[^/]+/\w.*",
        "half a body is there": r"remove cloud/bodies/chunks/[^/]+/\.tmp-.*",
        **_commit("bodies are looked at", "a spare body is found", "leases 2"),
        "a spare body is there": r"remove cloud/bodies/blobs/.*",
        **_commit("all are looked at", "it is recorded", "leases,site"),
        **_commit("the lease is not given back", "the lease is given back", "leases 3"),
    },
    "erasure": {
        **_commit("no process has the lease", "the lease is taken", "leases"),
        **_commit("the account is open", "it is closed", r"accounts,(?:\w+,)*quarantine,.*"),
        "it is not recorded": r"create cloud/bodies/erased/.*",
        "the record has no name": r"rename cloud/bodies/erased/.*",
        **_commit("nothing is counted", "all is counted", "erasures"),
        "a chunk's body is there": r"remove cloud/bodies/chunks/.*",
        **_commit("chunks have rows alone", "they are gone", "chunks"),
        "an object's body is there": r"remove cloud/bodies/blobs/.*",
        **_commit("objects have rows alone", "objects are gone", "blobs"),
        **_commit("the store is empty", "it is recorded", "erasures 2"),
        **_commit("revisions are there", "revisions are removed", "revisions(?: 2)?"),
        **_commit("items are there", "items are removed", "items(?: 2)?"),
        **_commit("small chunks are there", "small chunks are removed", "chunks 2"),
        **_commit("no object is left", "and none was", "blobs 2"),
        **_commit("the account has a row", "it has none", "accounts,(?!.*quarantine).*vaults"),
        **_commit("there is no receipt", "the receipt is signed", "erasures 3"),
        **_commit("records are there", "records are forgotten", "codes,erasures,.*"),
        # On a busy machine it is prolonged, too.
        **_commit("the lease is held", "the lease is given back", r"leases \d+"),
    },
    "backup": {
        **_commit("no backup is made", "bodies are kept", "leases"),
        "the copy is not made": r"create backup/database-\d+\.sqlite",
        "the copy has no tables": "commit .*alembic_version.*",
        **_commit("rows are copied", "the copy has its rows", _ALL),
        "a body is not copied": r"create backup/bodies/.*",
        "a copied body has no name": r"rename backup/bodies/.*",
        **_commit("all is copied", "bodies were kept", "leases 2"),
        "the older backup counts": r"create backup/\.tmp-backup\.toml",
        "the newer backup has no name": r"rename backup/\.tmp-backup\.toml > .*",
        **_commit("the newer backup counts", "bodies may go", "leases 3"),
        "the older copy is there": r"remove backup/database-\d+\.sqlite",
        "a body of the older copy is there": r"remove backup/bodies/.*",
    },
    "restore": {
        "nothing is restored": r"create again/\.tmp-restore\.sqlite",
        "the database is not made": r"create again/cloud\.sqlite",
        "the database has no tables": "commit .*alembic_version.*",
        "a body is not restored": r"create again/bodies/.*",
        "a restored body has no name": r"rename again/bodies/.*",
        **_commit("bodies are restored", "rows are restored", _ALL),
        "the copy is not needed any more": r"remove again/\.tmp-restore\.sqlite",
        "there is no cloud": r"create again/\.tmp-cloud\.toml",
        "the cloud has no name": r"rename again/\.tmp-cloud\.toml > .*",
    },
    "migration": {
        "the older database is not kept": r"create cloud/cloud\.sqlite\.before-\d+",
        "the migration is not committed": r"commit .*alembic_version.*",
    },
}


@pytest.fixture(scope="module")
def crash(programs):
    """Return a function that runs a story in a process that dies at a given point."""
    with forking(programs.command("python"), "tests.crash.cloud_zygote") as ask:
        yield lambda world, story, at: ask({"root": str(world.root), "story": story, "at": at})


async def before_upkeep(world):
    """Leave an incomplete body, and a body that no row references, as a crash does."""
    await world.bodies.put("blobs/1/spare", one_piece(b"spare"))
    (world.folder.bodies / "chunks" / world.collection / ".tmp-1").write_bytes(b"half")


async def before_erasure(world):
    """Withdraw the consent; the account's erasure is overdue by the world's clock."""
    async with world.device() as device:
        assert (await device.ask("POST", "consents/withdrawal"))[0] == 200


async def before_backup(world):
    """Make a backup, and change the cloud's content."""
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        await back_up("id", database, world.bodies, world.backup, world.now - 1)
    async with world.device() as device:
        assert (await world.send(device, "DELETE", next(iter(world.objects))))[0] == 200
        assert (await world.send(device, "POST", *world.upload))[0] == 200
    name, pack = world.upload
    world.objects = {**dict(list(world.objects.items())[1:]), name: pack}


async def before_restore(world):
    """Make a backup."""
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        await back_up("id", database, world.bodies, world.backup, world.now - 1)


async def before_migration(world):
    """Downgrade the database by one version."""

    def downgrade(connection):
        config = load_migrations(MIGRATIONS)
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")

    await asyncio.to_thread(with_connection, world.place, downgrade)


BEFORE = {
    "upkeep": before_upkeep,
    "erasure": before_erasure,
    "backup": before_backup,
    "restore": before_restore,
    "migration": before_migration,
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory, crash):
    """Return a function: the world before a story, and the changes of a complete run."""
    first, found = asyncio.run(prepare(tmp_path_factory.mktemp("cloud"))), {}

    def give(story):
        if story not in found:
            world = copy_world(first, tmp_path_factory.mktemp(story) / "before")
            if story in BEFORE:
                asyncio.run(BEFORE[story](world))
            copy = copy_world(world, world.root.with_name("after"))
            ended = crash(copy, story, "")
            assert ended["status"] == 0
            found[story] = world, ended["points"]
        return found[story]

    return give


def copy_world(world, root):
    """Return a copy of a world in the folder `root`."""
    shutil.copytree(world.root, root)
    copy = dataclasses.replace(world, root=root)
    copy.save()
    return copy


@pytest.mark.parametrize("story", POINTS)
def test_every_change_has_one_name(worlds, story):
    """Every durable change of a story has a name, and every name has a change."""
    found = set()
    for each in worlds(story)[1]:
        names = [name for name, text in POINTS[story].items() if re.fullmatch(text, each)]
        assert len(names) == 1, each
        found.update(names)
    assert found == POINTS[story].keys()
    assert not each.startswith("committed") or names == [[*POINTS[story]][-1]]


def find_killed():
    """Yield the stories and the points at which they are killed.

    A point that several stories have is tested in the first. After a commit the state stays the
    same until the next change, so only a commit at the end of a story is a point.
    """
    seen = set()
    for story, points in POINTS.items():
        for number, (name, text) in enumerate(points.items(), 1):
            is_same = text.startswith("committed") and number < len(points)
            if not is_same and (name, text) not in seen:
                yield story, name
        seen |= points.items()


@pytest.mark.parametrize(("story", "point"), list(find_killed()))
def test_killed_at(worlds, crash, tmp_path, story, point):
    """The story happened completely or not at all; repeated, it succeeds. Earlier data remains."""
    world = copy_world(worlds(story)[0], tmp_path / "killed")
    assert crash(world, story, POINTS[story][point])["status"] == -9
    asyncio.run(AFTER[story](world))
    asyncio.run(check_whole(world))


async def check_whole(world):
    """Check the cloud's consistency; one maintenance round removes old leftovers."""
    await expire_leases(world)
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        await run_round(world.law(database, 2 * DAY), SETTINGS)
        report = await check_cloud(database, world.bodies, read=True)
    assert (report.sentences, report.spare) == ([], 0)
    assert await asyncio.to_thread(lambda: list(world.folder.bodies.rglob(".tmp-*"))) == []


async def expire_leases(world):
    """Expire all leases, as if a minute had passed since the process was killed."""
    async with (
        open_database(world.place, migrations=MIGRATIONS) as database,
        database.begin() as db,
    ):
        await db.execute(update(Lease).values(expires_at=0))


async def read_items(device, world):
    """Return the contents of a collection's items by uid."""
    status, listed = await device.call("GET", f"collection/{world.collection}/item/")
    assert status == 200
    return {item["uid"]: item["content"] for item in listed["data"]}


async def check_stored(device, world, *, but=()):
    """Check that all earlier data is there, except for what a story changes."""
    found = await read_items(device, world)
    for item in world.stored:
        assert item["uid"] in but or found[item["uid"]] == item["content"]
    for name, pack in world.objects.items():
        assert name in but or await world.send(device, "GET", name) == (200, pack)


async def after_transaction(world):
    """Check that both items are old, or both new; after they are sent again, both are new."""
    first, second = world.pending
    async with world.device() as device:
        await check_stored(device, world, but=(first["uid"],))
        found = await read_items(device, world)
        is_new = second["uid"] in found
        expected = first if is_new else world.stored[0]
        assert found[first["uid"]] == expected["content"]
        answer = await device.batch(world.collection, first, second, way="transaction")
        assert answer[0] == 200
        found = await read_items(device, world)
        assert [found[each["uid"]] for each in world.pending] == [
            each["content"] for each in world.pending
        ]


async def after_collection(world):
    """Make the collection again: it exists once."""
    uid_of_it = world.new_collection["item"]["uid"]
    async with world.device() as device:
        await check_stored(device, world)
        status, answer = await device.call("POST", "collection/", world.new_collection)
        assert status == 201 or answer["code"] == "unique_uid"
        _, listed = await device.call("GET", "collection/")
        uids = [each["item"]["uid"] for each in listed["data"]]
        assert sorted(uids) == sorted([world.collection, uid_of_it])


async def after_chunk(world):
    """Send the chunk again: it exists."""
    address, body = world.chunk
    async with world.device() as device:
        await check_stored(device, world)
        assert (await device.call("PUT", f"{address}/", raw=body))[0] in {201, 409}
        assert await device.call("GET", f"{address}/download/") == (200, body)


async def after_object(world):
    """Send the object again: it exists."""
    name, pack = world.upload
    async with world.device() as device:
        await check_stored(device, world)
        assert (await world.send(device, "POST", name, pack))[0] == 200
        assert await world.send(device, "GET", name) == (200, pack)


async def after_removal(world):
    """Remove the object again: it is gone, and others exist."""
    name = next(iter(world.objects))
    async with world.device() as device:
        await check_stored(device, world, but=(name,))
        assert (await world.send(device, "DELETE", name))[0] in {200, 404}
        assert (await world.send(device, "GET", name))[0] == 404


async def after_vault(world):
    """Remove the vault again: it is completely gone."""
    async with world.device() as device:
        await check_stored(device, world, but=tuple(world.objects))
        there = [(await world.send(device, "GET", name))[0] for name in world.objects]
        assert set(there) in ({200}, {404})
        assert (await world.send(device, "DELETE", ""))[0] in {200, 404}
        assert (await world.send(device, "GET", "data/"))[0] == 404


async def after_upkeep(world):
    """Check that all referenced data is there."""
    async with world.device() as device:
        await check_stored(device, world)


async def after_erasure(world):
    """Continue the erasure: a closed account stays closed, and in the end no data is left."""
    await expire_leases(world)
    async with open_database(world.place, migrations=MIGRATIONS) as database, database() as db:
        is_closed = await db.scalar(select(Erasure.step)) != ANNOUNCED
    async with running(world.place, world.folder.root) as cloud:
        device = Device(cloud.http, cloud.url, "ani", SigningKey(world.seed))
        assert (await device.log_in())[0] == (401 if is_closed else 200)
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        await run_round(world.law(database, policy_key=LAW["policy_key"]), SETTINGS, OF_LAW)
        async with database() as db:
            row = (await db.scalars(select(Erasure))).one()
    bodies = len(world.objects) + 4  # three items had one body, and one a second
    assert (row.step, row.account) == (DONE, None)
    assert read_receipt(row.receipt.decode())["erased"]["bodies"] == bodies
    files = [path async for page in world.bodies.pages() for path in page]
    assert files == []
    kept = await asyncio.to_thread(world.place.read_bytes)
    assert not any(item["content"]["meta"] in kept for item in world.stored)


async def after_backup(world):
    """Restore the older or the newer backup; a repeated backup is the newer one."""
    newer = set(world.objects)
    again = await restored(world)
    async with again.device() as device:
        there = {n for n in newer if (await again.send(device, "GET", n))[0] == 200}
        await check_stored(device, again, but=newer - there)
        assert len(there) >= len(newer) - 1
    await expire_leases(world)
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        await back_up("id", database, world.bodies, world.backup, world.now + 1)
    await check_restored(world)


async def after_restore(world):
    """Restore again: the cloud is complete."""
    if await asyncio.to_thread(CloudFolder(world.root / "again").settings.exists):
        await asyncio.to_thread(shutil.rmtree, world.root / "again")
    await check_whole(await check_restored(world))


async def after_migration(world):
    """Start the cloud, which migrates its database and has all data."""
    async with world.device() as device:
        await check_stored(device, world)


async def restored(world):
    """Restore the backup; returns the restored world."""
    target = CloudFolder(world.root / "again")
    assert (await restore_into(target, world)).report.sentences == []
    again = dataclasses.replace(world, root=world.root / "again-world")
    await asyncio.to_thread(shutil.move, target.root, again.folder.root)
    return again


async def check_restored(world):
    """Restore, and check that all data is there; returns the restored world."""
    await asyncio.to_thread(shutil.rmtree, world.root / "again-world", ignore_errors=True)
    again = await restored(world)
    async with again.device() as device:
        await check_stored(device, again)
    return again


AFTER = {
    "transaction": after_transaction,
    "collection": after_collection,
    "chunk": after_chunk,
    "object": after_object,
    "removal": after_removal,
    "vault": after_vault,
    "upkeep": after_upkeep,
    "erasure": after_erasure,
    "backup": after_backup,
    "restore": after_restore,
    "migration": after_migration,
}
