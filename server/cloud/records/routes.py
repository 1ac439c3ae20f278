"""`/api/v1/collection/` and `/api/v1/invitation/`: paths and handlers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.sessions import find_session
from server.cloud.errors import CloudError
from server.cloud.gate import check_all, check_ciphertext
from server.cloud.records import wire
from server.cloud.records.access import SHARE, charge_owner, find_place
from server.cloud.records.chunks import (
    SMALL,
    add_chunks,
    find_missing,
    keep_bodies,
    load_chunk,
    note_ahead,
)
from server.cloud.records.reading import Reader
from server.cloud.records.sharing import Sharing
from server.cloud.records.writing import WriteRequest, write_items
from server.cloud.routing import Call, Route
from server.cloud.storage.models import Collection, Member
from server.storage.database import run_again
from server.storage.sqlite_connection import execute_together

PREFIX = "/api/v1"
COLLECTION = f"{PREFIX}/collection/{{collection:[A-Za-z0-9_-]{{20,64}}}}"
ITEM = f"{COLLECTION}/item/{{item:[A-Za-z0-9_-]{{20,64}}}}"
CHUNK = f"{ITEM}/chunk/{{chunk:[A-Za-z0-9_-]{{20,64}}}}"
INVITATION = "{invitation:[A-Za-z0-9_-]{20,64}}"
PAGE, MAX_PAGE = 50, 500
"""Default and maximum number of entries in a page."""
MAX_BATCH = 16 * 1024 * 1024
MAX_CHUNK = 1024 * 1024  # clients split contents at 64 KiB


async def create_collection(call: Call) -> None:
    """Create a collection with the item that describes it."""
    body: wire.NewCollection = call.body
    services, uid = call.services, body.item.uid
    is_there = select(Collection.id).where(Collection.uid == uid)
    async with services.database() as db:
        _check_unique(await db.scalar(is_there))
    request = await _receive(call, uid, wire.Batch([body.item]), must_match=True)

    async def make() -> None:
        async with services.database.begin() as db:
            _check_unique(await db.scalar(is_there))
            statement = insert(Collection).values(uid=uid, owner=call.account, sequence=0)
            number = await db.scalar(statement.returning(Collection.id))
            member = {
                "collection": number,
                "account": call.account,
                "access": SHARE,
                "type": body.collectionType,
                "key": body.collectionKey,
                "change": 0,
                "ended": False,
            }
            await db.execute(insert(Member).values(member))
            place = await find_place(db, call.account, uid, is_locked=True)
            await write_items(db, place, request, services.generation)
            # A rotation may have logged this device out meanwhile; its keys would be old ones.
            await find_session(db, call.token)

    await run_again(make)


async def list_collections(call: Call) -> wire.CollectionList:
    """List collections, of all types or of those in the body."""
    types = call.body.collectionTypes if isinstance(call.body, wire.Types) else None
    async with _reading(call) as reader:
        return await reader.list_collections(types, call.query.get("stoken"), _limit(call.query))


async def get_collection(call: Call) -> wire.Collection:
    """Return one collection."""
    async with _reading(call) as reader:
        return await reader.find_collection(call.path["collection"])


async def list_items(call: Call) -> wire.ItemList:
    """List the items of a collection."""
    async with _reading(call) as reader:
        place = await find_place(reader.db, call.account, call.path["collection"])
        with_collection = call.query.get("withCollection") == "true"
        stoken, limit = call.query.get("stoken"), _limit(call.query)
        return await reader.list_items(place, stoken, limit, with_collection=with_collection)


async def list_updates(call: Call) -> wire.ItemList:
    """Return those of the client's items that changed."""
    if len(call.body) > wire.MAX_ITEMS:
        sentence = f"ask for at most {wire.MAX_ITEMS} items at a time."
        raise CloudError(400, "too_many_items", sentence)
    async with _reading(call) as reader:
        place = await find_place(reader.db, call.account, call.path["collection"])
        return await reader.list_updates(place, call.body, call.query.get("stoken"))


async def get_item(call: Call) -> wire.Item:
    """Return one item."""
    async with _reading(call) as reader:
        place = await find_place(reader.db, call.account, call.path["collection"])
        return await reader.find_item(place, call.path["item"])


async def list_revisions(call: Call) -> wire.RevisionList:
    """List an item's revisions."""
    async with _reading(call) as reader:
        place = await find_place(reader.db, call.account, call.path["collection"])
        iterator, limit = call.query.get("iterator"), _limit(call.query)
        return await reader.list_revisions(place, call.path["item"], iterator, limit)


async def batch(call: Call) -> None:
    """Write items, whatever their current revisions are."""
    await _write(call, must_match=False)


async def transaction(call: Call) -> None:
    """Write items if their current revisions are the ones that the client expects."""
    await _write(call, must_match=True)


async def put_chunk(call: Call) -> None:
    """Store a chunk ahead of the item that will use it."""
    services, collection, uid = call.services, call.path["collection"], call.path["chunk"]
    services.check_accepts_data()
    check_ciphertext(call.body, f"the chunk {uid}")
    async with services.database() as db:
        place = await find_place(db, call.account, collection)
        place.check_may_write()
        is_new = bool(await find_missing(db, place.id, [uid]))
    bodies = {uid: call.body} if is_new else {}
    chunks = await keep_bodies(services.bodies, collection, services.draw, bodies)
    async with services.database.begin() as db:
        place = await find_place(db, call.account, collection, is_locked=True)
        place.check_may_write()
        is_there = await note_ahead(db, place.id, uid, services.now())
        if not (is_there or chunks):  # upkeep removed it meanwhile
            raise CloudError(503, "unavailable", "the chunk was just removed; send it again.")
        if not is_there:
            await charge_owner(db, place, len(call.body))
            await add_chunks(db, place.id, chunks, services.now())
    if is_there:
        raise CloudError(409, "chunk_exists", "this chunk exists already.")


async def get_chunk(call: Call) -> bytes:
    """Return a chunk's ciphertext."""
    async with call.services.database() as db:
        place = await find_place(db, call.account, call.path["collection"])
        return await load_chunk(db, call.services.bodies, place.id, call.path["chunk"])


async def refuse_ticket(_: Call) -> None:  # noqa: RUF029 - a handler like the others
    """Refuse, as there are no websockets."""
    raise CloudError(501, "not_implemented", "this server has no websockets; poll for changes.")


async def list_members(call: Call) -> wire.MemberList:
    """List the members of a collection."""
    async with call.services.database() as db:
        place = await find_place(db, call.account, call.path["collection"])
        iterator, limit = call.query.get("iterator"), _limit(call.query)
        return await _sharing(call, db).list_members(place, iterator, limit)


async def change_access(call: Call) -> None:
    """Change a member's access level."""
    async with call.services.database.begin() as db:
        place = await find_place(db, call.account, call.path["collection"], is_locked=True)
        access = call.body.accessLevel
        await _sharing(call, db).change_access(place, call.path["name"], access)


async def remove_member(call: Call) -> None:
    """End the membership of another account."""
    async with call.services.database.begin() as db:
        place = await find_place(db, call.account, call.path["collection"], is_locked=True)
        await _sharing(call, db).remove_member(place, call.path["name"])


async def leave(call: Call) -> None:
    """End the caller's own membership."""
    async with call.services.database.begin() as db:
        place = await find_place(db, call.account, call.path["collection"], is_locked=True)
        await _sharing(call, db).leave(place)


async def find_profile(call: Call) -> wire.Profile:
    """Return the public key of an account, found by name or email address."""
    async with call.services.database() as db:
        return await _sharing(call, db).find_profile(call.query.get("username", ""))


async def list_incoming(call: Call) -> wire.InvitationList:
    """List invitations to the account."""
    return await _list_invitations(call, is_incoming=True)


async def list_outgoing(call: Call) -> wire.InvitationList:
    """List invitations that the account sent."""
    return await _list_invitations(call, is_incoming=False)


async def get_incoming(call: Call) -> wire.Invitation:
    """Return one invitation to the account."""
    async with call.services.database() as db:
        return await _sharing(call, db).find_invitation(call.path["invitation"])


async def invite(call: Call) -> None:
    """Invite another account."""
    async with call.services.database.begin() as db:
        place = await find_place(db, call.account, call.body.collection, is_locked=True)
        await _sharing(call, db).invite(place, call.body)


async def accept(call: Call) -> None:
    """Accept an invitation."""
    async with call.services.database.begin() as db:
        await _sharing(call, db).accept(call.path["invitation"], call.body)
        await find_session(db, call.token)


async def reject(call: Call) -> None:
    """Reject an invitation."""
    async with call.services.database.begin() as db:
        await _sharing(call, db).withdraw(call.path["invitation"], is_incoming=True)


async def disinvite(call: Call) -> None:
    """Withdraw an invitation that the account sent."""
    async with call.services.database.begin() as db:
        await _sharing(call, db).withdraw(call.path["invitation"], is_incoming=False)


async def _write(call: Call, *, must_match: bool) -> None:
    services, uid = call.services, call.path["collection"]
    if any(_has_large(item) for item in call.body.items):
        # Check access early, since large bodies are stored before the collection is locked.
        async with services.database() as db:
            place = await find_place(db, call.account, uid)
            place.check_may_write()
    request = await _receive(call, uid, call.body, must_match=must_match)
    async with services.database.begin() as db:
        await execute_together(db, _write_request(db, call, uid, request))


async def _write_request(db: AsyncSession, call: Call, uid: str, request: WriteRequest) -> None:
    place = await find_place(db, call.account, uid, is_locked=True)
    await write_items(db, place, request, call.services.generation)


def _has_large(item: wire.Item) -> bool:
    return any(chunk.body is not None and len(chunk.body) > SMALL for chunk in item.content.chunks)


async def _receive(
    call: Call, collection: str, batch: wire.Batch, *, must_match: bool
) -> WriteRequest:
    """Check and store a batch's large bodies; return the writes to do while holding the lock."""
    call.services.check_accepts_data()
    bodies = {
        chunk.uid: chunk.body
        for item in batch.items
        for chunk in item.content.chunks
        if chunk.body is not None
    }
    metas = {item.uid: item.content.meta for item in batch.items}
    await check_all({"the description of": metas, "the chunk": bodies})
    return WriteRequest(
        items=batch.items,
        deps=batch.deps or (),
        chunks=await keep_bodies(call.services.bodies, collection, call.services.draw, bodies),
        stoken=call.query.get("stoken"),
        must_match=must_match,
        now=call.services.now(),
    )


def _check_unique(found: int | None) -> None:
    if found is not None:
        raise CloudError(409, "unique_uid", "a collection with this uid exists already.")


async def _list_invitations(call: Call, *, is_incoming: bool) -> wire.InvitationList:
    async with call.services.database() as db:
        iterator, limit = call.query.get("iterator"), _limit(call.query)
        sharing = _sharing(call, db)
        return await sharing.list_invitations(
            is_incoming=is_incoming, iterator=iterator, limit=limit
        )


@asynccontextmanager
async def _reading(call: Call) -> AsyncIterator[Reader]:
    services = call.services
    wants_bodies = call.query.get("prefetch", "auto") == "auto"
    async with services.database() as db:
        yield Reader(db, services.bodies, services.generation, call.account, wants_bodies)


def _sharing(call: Call, db: AsyncSession) -> Sharing:
    return Sharing(db, call.services.secrets, call.account)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(PAGE))
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_PAGE:
        raise CloudError(400, "bad_limit", f"limit must be a number from 1 to {MAX_PAGE}.")
    return int(text)


_INCOMING, _OUTGOING = f"{PREFIX}/invitation/incoming", f"{PREFIX}/invitation/outgoing"
_upload = partial(Route, uploads=True)
ROUTES = (
    _upload("POST", f"{PREFIX}/collection/", create_collection, wire.NewCollection, MAX_BATCH, 201),
    Route("GET", f"{PREFIX}/collection/", list_collections),
    Route("POST", f"{PREFIX}/collection/list_multi/", list_collections, wire.Types, 256 * 1024),
    Route("GET", f"{COLLECTION}/", get_collection),
    Route("GET", f"{COLLECTION}/item/", list_items),
    Route("POST", f"{COLLECTION}/item/fetch_updates/", list_updates, list[wire.Known], 64 * 1024),
    _upload("POST", f"{COLLECTION}/item/batch/", batch, wire.Batch, MAX_BATCH),
    _upload("POST", f"{COLLECTION}/item/transaction/", transaction, wire.Batch, MAX_BATCH),
    Route("POST", f"{COLLECTION}/item/subscription-ticket/", refuse_ticket),
    Route("GET", f"{ITEM}/", get_item),
    Route("GET", f"{ITEM}/revision/", list_revisions),
    _upload("PUT", f"{CHUNK}/", put_chunk, bytes, MAX_CHUNK, 201),
    Route("GET", f"{CHUNK}/download/", get_chunk),
    Route("GET", f"{COLLECTION}/member/", list_members),
    Route("POST", f"{COLLECTION}/member/leave/", leave, status=204),
    Route("PATCH", f"{COLLECTION}/member/{{name}}/", change_access, wire.AccessChange, status=204),
    Route("DELETE", f"{COLLECTION}/member/{{name}}/", remove_member, status=204),
    Route("GET", f"{_INCOMING}/", list_incoming),
    Route("GET", f"{_INCOMING}/{INVITATION}/", get_incoming),
    Route("DELETE", f"{_INCOMING}/{INVITATION}/", reject, status=204),
    _upload("POST", f"{_INCOMING}/{INVITATION}/accept/", accept, wire.Acceptance, status=201),
    Route("GET", f"{_OUTGOING}/", list_outgoing),
    _upload("POST", f"{_OUTGOING}/", invite, wire.Invitation, status=201),
    Route("GET", f"{_OUTGOING}/fetch_user_profile/", find_profile),
    Route("DELETE", f"{_OUTGOING}/{INVITATION}/", disinvite, status=204),
)
