"""Other accounts' data is answered like unknown data, for every request.

A stranger sends a request to each route with a path parameter, once with an owner's id and once
with an unknown one. The answers are equal, byte for byte, and the owner's data is unchanged.
"""

import hashlib
import os
import re

import msgspec
import pytest
from nacl.signing import SigningKey

from server.cloud.app import ROUTES
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import HEADERS, Program, change, make_item, uid

PARTS = re.compile(r"\{(\w+)(?::[^{}]*(?:\{[^{}]*\})?[^{}]*)?\}")
WITH_PARTS = [route for route in ROUTES if PARTS.search(route.path) and not route.is_public]
BLOBS = [
    (method, path)
    for path in ("config", "data/", "data/{name}")
    for method in ("HEAD", "GET", "POST", "DELETE")
    if (method, path) not in {("POST", "data/"), ("DELETE", "data/"), ("HEAD", "data/")}
] + [("DELETE", "")]


def bodies(ids):
    """Return a valid body for each route that has one, by its handler's name."""
    item = make_item(os.urandom(100))
    item["uid"] = ids["item"]
    return {
        "batch": {"items": [item]},
        "transaction": {"items": [change(item)], "deps": [{"uid": ids["item"], "etag": uid()}]},
        "list_updates": [{"uid": ids["item"], "etag": uid()}],
        "change_access": {"accessLevel": 1},
        "accept": {"collectionType": b"type", "encryptionKey": b"key"},
        "put_chunk": os.urandom(100),
        "approve": {"signature": bytes(64)},
    }


async def ask(device, route, ids):
    """Send a request to a route; return the status and the bytes of the answer."""
    path = PARTS.sub(lambda part: ids[part[1]], route.path)
    body = bodies(ids).get(route.handler.__name__)
    assert (body is None) == (route.body is None), f"give {route.path} a body here"
    encode = msgspec.json.encode if route.is_json else msgspec.msgpack.encode
    data = body if body is None or isinstance(body, bytes) else encode(body)
    headers = {**HEADERS, "Authorization": f"Token {device.token}"}
    address = f"{device.url}{path}"
    async with device.http.request(route.method, address, data=data, headers=headers) as answer:
        return answer.status, re.sub(rb"[A-Za-z0-9_-]{20,}", b"ID", await answer.read())


@pytest.fixture
async def owner(cloud):
    """Return an owner with data of every kind; `owner.ids` has the ids."""
    device = await cloud.device()
    await device.set_recovery(SigningKey.generate())
    collection = (await device.create())["uid"]
    item = make_item(os.urandom(100))
    await device.batch(collection, item)
    citra = await cloud.device("citra")
    invitation = await device.invite(citra, collection)
    await device.make_token()
    (token,) = (await device.ask("GET", "app-tokens"))[1]
    (session,) = (await device.ask("GET", "sessions"))[1]
    device.ids = {
        "collection": collection,
        "item": item["uid"],
        "chunk": item["content"]["chunks"][0][0],
        "invitation": invitation,
        "name": "ani",
        "id": token["id"],
        "session": session["id"],
    }
    return device


async def view_all_data(device):
    """Return an owner's view of all data."""
    collection = device.ids["collection"]
    return [
        await device.call("GET", f"collection/{collection}/"),
        await device.call("GET", f"collection/{collection}/item/"),
        await device.call("GET", f"collection/{collection}/member/"),
        await device.call("GET", "invitation/outgoing/"),
        await device.ask("GET", "app-tokens"),
        await device.ask("GET", "sessions"),
        await device.ask("GET", "usage"),
    ]


@on_both
async def test_other_accounts_data_is_answered_as_unknown(cloud, owner):
    """Every route with an id answers a stranger as if the id did not exist; the owner gets data.

    Without a token, each route that is not public refuses the request.
    """
    stranger = await cloud.device("budi")
    await stranger.ask("PUT", "device", {"key": bytes(SigningKey.generate().verify_key)})
    nobodys = {
        part: "nobody" if part == "name" else os.urandom(16).hex()[:22] for part in owner.ids
    }
    before = await view_all_data(owner)
    assert len(WITH_PARTS) >= 21
    for route in WITH_PARTS:
        for one in (owner.ids, {**owner.ids, "id": owner.ids["session"]}):
            theirs, nothing = await ask(stranger, route, one), await ask(stranger, route, nobodys)
            assert theirs == nothing, route.path
            assert theirs[0] in {404, 501}, (route.method, route.path)
    assert await view_all_data(owner) == before
    assert (await stranger.call("GET", "collection/"))[1]["data"] == []
    assert (await stranger.call("GET", "invitation/incoming/"))[1]["data"] == []
    for route in ROUTES:
        if not route.is_public:
            path = PARTS.sub(lambda part: owner.ids[part[1]], route.path)
            async with cloud.http.request(route.method, f"{cloud.url}{path}") as answer:
                assert answer.status == 401, route.path
    answered = {
        route.handler.__name__
        for route in WITH_PARTS
        if route.method == "GET" and (await ask(owner, route, owner.ids))[0] == 200
    }
    assert answered >= {"get_collection", "list_items", "get_item", "get_chunk", "list_members"}


async def test_other_accounts_vaults_are_answered_as_unknown(cloud):
    """Vaults and objects of other accounts are answered as unknown, and do not change."""
    owner, stranger = await cloud.device(), await cloud.device("budi")
    body = os.urandom(2000)
    name = hashlib.sha256(body).hexdigest()
    mine, other = await owner.program(), await stranger.program()

    async def send(method, path, vault, program):
        data = body if method == "POST" else None
        return (await program.ask(method, f"{vault}/{path.format(name=name)}", data))[:2]

    assert (await send("POST", "?create=true", "photos", mine))[0] == 200
    assert (await send("POST", "data/{name}", "photos", mine))[0] == 200
    for method, path in BLOBS:
        theirs = await send(method, path, "photos", other)
        assert theirs == await send(method, path, "nothing", other), (method, path)
        assert theirs[0] == 404, (method, path)
    mixed = Program(cloud, "ani", await stranger.make_token())
    assert (await send("GET", "data/{name}", "photos", mixed))[0] == 401
    assert await send("GET", "data/{name}", "photos", mine) == (200, body)
