"""Erasure: all data of an account is removed, whatever happens meanwhile, with a receipt."""

import asyncio
import os
from dataclasses import replace

from sqlalchemy import LargeBinary, String, select

from server.cloud.law import erasure
from server.cloud.law.notices import ASKED, Announcement, announce
from server.cloud.law.policies import Policies
from server.cloud.law.receipts import hash_account
from server.cloud.storage import law_models
from server.cloud.storage.law_models import Erasure
from server.cloud.storage.lease import BACKUP, may_remove_bodies, take_lease
from server.cloud.storage.models import Account, Base, Blob, Collection
from server.core.tlog import CompactTree, leaf_hash
from tests.server.cloud.blobs.test_routes import BODY, NAME
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import NOW, Device, change, make_item
from tests.server.cloud.law.conftest import go_round
from tests.server.cloud.law.test_consents import read_receipt

LARGE = 20_000
DAY = 24 * 60 * 60


async def fill(device):
    """Store data of every kind; returns the uid of a collection, and an item."""
    collection = (await device.create())["uid"]
    item = make_item(os.urandom(LARGE))
    assert (await device.batch(collection, item, make_item(b"small")))[0] == 200
    assert (await device.batch(collection, change(item, chunks=[])))[0] == 200
    program = await device.program()
    await program.ask("POST", "photos/?create=true")
    assert (await program.ask("POST", f"photos/data/{NAME}", BODY))[0] == 200
    await device.ask("POST", "owner-links")
    return collection, item


def list_bodies(cloud):
    """Return the names of the bodies in the store, without the records of erasures."""
    bodies = cloud.folder / "bodies"
    names = [str(path.relative_to(bodies)) for path in cloud.stored_bodies()]
    return sorted(name for name in names if not name.startswith("erased/"))


async def find_traces(database, account):
    """Return the tables with a value that equals or contains an account's id."""
    found = set()
    async with database() as db:
        for table in Base.metadata.sorted_tables:
            for row in await db.execute(select(table)):
                values = [value for value in row if isinstance(value, (str, bytes))]
                sought = (account, account.encode())
                if any(sought[isinstance(value, bytes)] in value for value in values):
                    found.add(table.name)
    return found


@on_both
async def test_all_of_an_account_is_erased(cloud, law):
    """Rows, bodies and name are erased; the receipt counts them. Another account is unchanged."""
    device, other = await cloud.device(), await cloud.device("budi")
    await fill(device)
    theirs, _ = await fill(other)
    kept = list_bodies(cloud)
    used = (await device.ask("GET", "usage"))[1]["used"]
    async with law.database() as db:
        name_hash = law.secrets.name_hash("ani")
        account = await db.scalar(select(Account.id).where(Account.name_hash == name_hash))
    assert "accounts" in await find_traces(law.database, account)
    status, erased = await device.ask("POST", "erasure")
    assert (status, erased["step"]) == (202, "done")
    left = list_bodies(cloud)
    gone = sorted(set(kept) - set(left))
    assert (len(gone), len(left)) == (2, 2)
    assert await find_traces(law.database, account) == set()
    receipt = read_receipt(erased["receipt"])
    assert receipt["account"] == hash_account(account)
    root = CompactTree().grow(leaf_hash(name.encode()) for name in gone).root()
    assert receipt["erased"] == {"bodies": 2, "bytes": used, "items": 4, "root": root.hex()}
    assert (receipt["asked"], receipt["due"], receipt["done"]) == (NOW, NOW + 72 * 60 * 60, NOW)
    assert receipt["last_backup_gone"] == (NOW // DAY + 14 + 1) * DAY
    async with cloud.http.get(f"{cloud.url}/erasure/{erased['id']}") as answer:
        assert await answer.json() == erased
    assert (await device.ask("GET", "usage"))[0] == 401
    assert (await device.log_in())[0] == 401
    assert len((await other.call("GET", f"collection/{theirs}/item/"))[1]["data"]) == 2


@on_both
async def test_bodies_wait_for_the_end_of_a_backup(cloud, law, monkeypatch):
    """During a backup the account is closed; the erasure continues afterwards in the same call."""
    device = await cloud.device()
    await fill(device)
    looked, look = asyncio.Event(), may_remove_bodies

    async def look_and_tell(db):
        looked.set()
        return await look(db)

    monkeypatch.setattr(erasure, "may_remove_bodies", look_and_tell)
    monkeypatch.setattr(erasure, "WAIT_SECONDS", 0)
    lease = await take_lease(law.database, BACKUP)
    async with law.database() as db:
        account = await db.scalar(select(Account.id))
    erasing = asyncio.create_task(law.ask_to_erase(account))
    await looked.wait()
    assert (await device.ask("GET", "usage"))[0] == 401
    assert len(list_bodies(cloud)) == 2
    await lease.release(law.database)
    assert (await erasing).step == erasure.DONE
    assert list_bodies(cloud) == []


@on_both
async def test_due_accounts_are_closed_without_a_policy(cloud, law):
    """Without a policy, as in a restored database, due accounts are closed but not yet erased."""
    device = await cloud.device()
    async with law.database.begin() as db:
        account = await db.scalar(select(Account.id))
        await announce(db, Announcement("e" * 22, account, ASKED, NOW, NOW, NOW + DAY, version=0))
    await replace(law, policies=Policies(law.database, "")).close_due()
    assert (await device.ask("GET", "usage"))[0] == 401
    assert (await device.log_in())[0] == 401
    await go_round(law)
    async with law.database() as db:
        assert await db.scalar(select(Erasure.step)) == erasure.DONE


async def test_a_name_is_free_again_after_quarantine(cloud, law):
    """During quarantine the name is refused like a name in use."""
    device = await cloud.device()
    taken = await Device(cloud.http, cloud.url, "ani").sign_up()
    await device.ask("POST", "erasure")
    again = Device(cloud.http, cloud.url, "ani")
    assert await again.sign_up() == taken
    cloud.clock.seconds += 90 * DAY - 1
    assert (await again.sign_up())[0] == 409
    cloud.clock.seconds += 1
    assert (await again.sign_up())[0] == 201
    await go_round(law)


@on_both
async def test_members_lose_collections_of_an_erased_owner(cloud):
    """When the owner is erased, other members lose the content and see the membership end."""
    owner, member = await cloud.device(), await cloud.device("budi")
    collection, _ = await fill(owner)
    await owner.share(member, collection)
    _, listed = await member.call("GET", "collection/")
    assert len(listed["data"]) == 1
    await owner.ask("POST", "erasure")
    _, after = await member.call("GET", f"collection/?stoken={listed['stoken']}")
    assert (after["data"], after["removedMemberships"]) == ([], [{"uid": collection}])
    assert (await member.call("GET", f"collection/{collection}/item/"))[0] == 404
    assert (await member.ask("POST", "erasure"))[1]["step"] == "done"


@on_both
async def test_writes_of_members_during_an_erasure(cloud, law):
    """While the owner is being erased, a member's writes are refused like unknown collections."""
    owner, member = await cloud.device(), await cloud.device("budi")
    collection = (await owner.create())["uid"]
    await owner.share(member, collection)
    async with law.database.begin() as db:
        account = await db.scalar(select(Collection.owner))
        await announce(db, Announcement("e" * 22, account, ASKED, NOW, NOW, NOW + DAY, version=1))
    await law.close_due()
    chunk = f"collection/{collection}/item/{'i' * 24}/chunk/{'c' * 24}/"
    for status, answer in (
        await member.batch(collection, make_item(b"body")),
        await member.call("PUT", chunk, raw=b"chunk"),
    ):
        assert (status, answer["code"]) == (404, "not_found")
    assert (await member.ask("GET", "usage"))[0] == 200


async def test_upload_during_an_erasure_is_refused(cloud, law):
    """An upload that began before the account closed stores nothing afterwards."""
    device = await cloud.device()
    await fill(device)
    program = await device.program()

    async def pieces():
        yield BODY[:4]
        assert (await device.ask("POST", "erasure"))[1]["step"] == "done"
        yield BODY[4:]

    assert (await program.ask("POST", f"photos/locks/{NAME}", pieces()))[0] == 401
    async with law.database() as db:
        assert (await db.execute(select(Blob))).all() == []


def test_all_encrypted_columns_are_known():
    """All byte columns of an account are known, so that a migration cannot add a forgotten one."""
    table = Base.metadata.tables["accounts"]
    binary = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
    texts = {column.name for column in table.columns if isinstance(column.type, String)}
    assert {"name", "salt", "login_key", "wrap", "public_key", "name_hash"} <= binary
    assert texts - binary == {"id"}
    assert law_models.Erasure.account.property.columns[0].nullable
