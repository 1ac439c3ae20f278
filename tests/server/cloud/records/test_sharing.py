"""Which collections an account sees, and its rights in them."""

import os

from tests.cases import case
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import READ, SHARE, WRITE, make_item, uid

INVITING = {"version": 1, "signedEncryptionKey": b"key", "accessLevel": 2}


def requests_on(collection, item, chunk, name):
    """Return each request on a collection: method, path, body, and the right that it requires."""
    items, body = f"collection/{collection}/item", {"items": [make_item()]}
    invitation = {**INVITING, "uid": uid(), "username": name, "collection": collection}
    return [
        ("GET", f"collection/{collection}/", None, READ),
        ("GET", f"{items}/", None, READ),
        ("GET", f"{items}/{item}/", None, READ),
        ("GET", f"{items}/{item}/revision/", None, READ),
        ("GET", f"{items}/{item}/chunk/{chunk}/download/", None, READ),
        ("POST", f"{items}/fetch_updates/", [{"uid": item}], READ),
        ("POST", f"{items}/batch/", body, WRITE),
        ("POST", f"{items}/transaction/", body, WRITE),
        ("PUT", f"{items}/{item}/chunk/{uid()}/", b"body", WRITE),
        ("GET", f"collection/{collection}/member/", None, SHARE),
        ("PATCH", f"collection/{collection}/member/{name}/", {"accessLevel": READ}, SHARE),
        ("DELETE", f"collection/{collection}/member/{name}/", None, SHARE),
        ("POST", "invitation/outgoing/", invitation, SHARE),
    ]


async def test_each_request_needs_its_right(cloud):
    """Members are refused without the right; `test_foreign_accounts.py` tests other accounts."""
    owner, third = await cloud.device(), await cloud.device("citra")
    for access in (READ, WRITE, SHARE):
        other = await cloud.device(f"budi{access}")
        collection, item = (await owner.create())["uid"], make_item(b"body")
        await owner.batch(collection, item)
        await owner.share(third, collection, READ)
        await owner.share(other, collection, access)
        chunk = item["content"]["chunks"][0][0]
        fourth = await cloud.device(f"dewi{access}")
        for method, path, body, needed in requests_on(collection, item["uid"], chunk, third.name):
            raw = body if isinstance(body, bytes) else None
            sent = {**body, "username": fourth.name} if "outgoing" in path else body
            status, answer = await other.call(method, path, None if raw else sent, raw=raw)
            with case(access, method, path):
                if needed == READ or access in {SHARE, needed}:
                    assert status < 300, answer
                else:
                    code = "no_write_access" if needed == WRITE else "admin_access_required"
                    assert (status, answer["code"]) == (403, code)


async def test_chunks_belong_to_one_collection(cloud):
    """A chunk cannot be used in another collection, even of the same account.

    Only one collection may be shared. A uid belongs to its first collection.
    """
    owner, other = await cloud.device(), await cloud.device("budi")
    first, second = (await owner.create())["uid"], (await owner.create())["uid"]
    item = make_item(b"body")
    await owner.batch(first, item)
    chunk = item["content"]["chunks"][0][0]
    path = f"collection/{second}/item/{item['uid']}/chunk/{chunk}/download/"
    assert (await owner.call("GET", path))[0] == 404
    borrowed = make_item()
    borrowed["content"]["chunks"] = [[chunk]]
    assert (await owner.batch(second, borrowed))[1]["code"] == "chunk_no_content"
    theirs = (await other.create())["uid"]
    assert (await other.batch(theirs, borrowed))[1]["code"] == "chunk_no_content"
    taken = {"item": {**make_item(), "uid": first}, "collectionKey": b"k", "collectionType": b"t"}
    status, answer = await other.call("POST", "collection/", taken)
    assert (status, answer["code"]) == (409, "unique_uid")
    assert [
        each["item"]["uid"] for each in (await other.call("GET", "collection/"))[1]["data"]
    ] == [theirs]


@on_both
async def test_last_member_with_the_right_to_share(cloud):
    """The last member with the right to share can neither leave nor give up the right."""
    owner, other = await cloud.device(), await cloud.device("budi")
    collection = (await owner.create())["uid"]
    await owner.share(other, collection, WRITE)
    leave, own = f"collection/{collection}/member/leave/", f"collection/{collection}/member/ani/"
    for method, path, body in (
        ("POST", leave, None),
        ("DELETE", own, None),
        ("PATCH", own, {"accessLevel": WRITE}),
    ):
        status, answer = await owner.call(method, path, body)
        assert (status, answer["code"]) == (403, "last_admin")
    theirs = f"collection/{collection}/member/budi/"
    assert (await owner.call("PATCH", theirs, {"accessLevel": SHARE}))[0] == 204
    assert (await owner.call("POST", leave))[0] == 204
    assert (await owner.call("GET", f"collection/{collection}/"))[0] == 404
    assert (await other.batch(collection, make_item(os.urandom(9))))[0] == 200


async def test_only_the_invited_account_can_use_an_invitation(cloud):
    """Only the invited account reads, accepts or refuses it; only its author withdraws it."""
    owner, other, third = [await cloud.device(name) for name in ("ani", "budi", "citra")]
    collection = (await owner.create())["uid"]
    invitation = await owner.invite(other, collection)
    incoming = f"invitation/incoming/{invitation}/"
    for device in (owner, third):
        assert (await device.call("GET", incoming))[0] == 404
        assert (await device.call("DELETE", incoming))[0] == 404
        assert (await device.accept(invitation))[0] == 404
    outgoing = f"invitation/outgoing/{invitation}/"
    assert (await other.call("DELETE", outgoing))[0] == 404
    assert (await owner.call("DELETE", outgoing))[0] == 204
    assert (await other.call("GET", incoming))[0] == 404
