"""Of concurrent requests one takes effect, and the others get the refusals of their API.

On SQLite writers take turns. On PostgreSQL each sees the state before the others' commits.
"""

import asyncio
import hashlib
import os
from collections import Counter

import pytest

from server.cloud.accounts.owners import add_code
from server.cloud.settings import SignUp
from server.cloud.storage import MIGRATIONS
from server.storage.database import open_database
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import NOW, Device, change, make_item, running, uid

pytestmark = on_both
TIMES = 6


async def concurrently(*requests):
    """Send requests concurrently; returns the number of answers by status and code."""
    answers = await asyncio.gather(*requests)
    return Counter(
        (status, answer.get("code", "") if isinstance(answer, dict) else "")
        for status, answer in answers
    )


async def test_concurrent_sign_ups_with_one_name(cloud):
    """Of concurrent sign-ups with one name, one makes the account."""
    devices = [Device(cloud.http, cloud.url, "ani") for _ in range(TIMES)]
    seen = await concurrently(*(device.sign_up() for device in devices))
    assert seen == {(201, ""): 1, (409, "user_exists"): TIMES - 1}
    (made,) = [device for device in devices if device.token]
    assert (await made.log_in())[0] == 200


async def test_concurrent_sign_ups_with_one_code(place, tmp_path):
    """Of several names that end in a code, one gets the account."""
    code = "a" * 16
    async with running(place, tmp_path, sign_up=SignUp.CODE) as cloud:
        async with open_database(place, migrations=MIGRATIONS) as database, database.begin() as db:
            await add_code(db, code, NOW + 100)
        names = [f"{number}-{code}" for number in range(TIMES)]
        seen = await concurrently(
            *(Device(cloud.http, cloud.url, name).sign_up() for name in names)
        )
    assert seen == {(201, ""): 1, (403, "signup_closed"): TIMES - 1}


async def test_concurrent_creation_of_a_collection(cloud):
    """One device makes the collection; the others learn that it exists."""
    device = await cloud.device()
    item = make_item(os.urandom(20_000))
    asked = {"item": item, "collectionKey": b"key", "collectionType": b"type"}
    seen = await concurrently(*(device.call("POST", "collection/", asked) for _ in range(TIMES)))
    assert seen == {(201, ""): 1, (409, "unique_uid"): TIMES - 1}
    _, listed = await device.call("GET", "collection/")
    assert [each["item"]["content"] for each in listed["data"]] == [item["content"]]


async def test_concurrent_writes_to_a_collection(cloud):
    """All batches are written, each change once; of transactions over one revision one succeeds."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    batches = [[make_item(os.urandom(100)) for _ in range(5)] for _ in range(TIMES)]
    seen = await concurrently(*(device.batch(collection, *batch) for batch in batches))
    assert seen == {(200, ""): TIMES}
    page, uids = {"done": False, "stoken": ""}, []
    while not page["done"]:
        since = f"&stoken={page['stoken']}" if uids else ""
        _, page = await device.call("GET", f"collection/{collection}/item/?limit=4{since}")
        uids += [each["uid"] for each in page["data"]]
    assert sorted(uids) == sorted(item["uid"] for batch in batches for item in batch)
    item = batches[0][0]
    rivals = [change(item) for _ in range(TIMES)]
    seen = await concurrently(
        *(device.batch(collection, each, way="transaction") for each in rivals)
    )
    assert seen == {(200, ""): 1, (409, "item_failed"): TIMES - 1}
    chunk = f"collection/{collection}/item/{uid()}/chunk/{uid()}/"
    body = os.urandom(20_000)
    seen = await concurrently(*(device.call("PUT", chunk, raw=body) for _ in range(TIMES)))
    assert seen == {(201, ""): 1, (409, "chunk_exists"): TIMES - 1}


async def test_concurrent_uploads_and_removals_of_an_object(cloud):
    """All senders of an object succeed, and its bytes count once; one of the removals succeeds."""
    device, body = await cloud.device(), os.urandom(20_000)
    program = await device.program()

    async def send(method, path, data=None):
        return (await program.ask(method, f"photos/{path}", data))[:2]

    name = f"data/{hashlib.sha256(body).hexdigest()}"
    for method, path, data, expected in (
        ("POST", "?create=true", None, {(200, ""): TIMES}),
        ("POST", name, body, {(200, ""): TIMES}),
        ("DELETE", name, None, {(200, ""): 1, (404, ""): TIMES - 1}),
    ):
        seen = await concurrently(*(send(method, path, data) for _ in range(TIMES)))
        assert seen == expected, (method, path)
        used = len(body) if data else 0
        assert (await device.ask("GET", "usage"))[1]["used"] == used
        assert len(cloud.stored_bodies()) == (1 if data else 0)


async def test_concurrent_requests_of_an_erasure(cloud):
    """Concurrent requests get the same erasure, or are refused because the session has ended."""
    device = await cloud.device()
    await device.create()
    answers = await asyncio.gather(*(device.ask("POST", "erasure") for _ in range(TIMES)))
    assert {status for status, _ in answers} in ({202}, {202, 401})
    assert len({answer["id"] for status, answer in answers if status == 202}) == 1


@pytest.mark.parametrize("is_withdrawn", [False, True])
async def test_concurrent_acceptance_of_an_invitation(cloud, is_withdrawn):
    """One request accepts the invitation, unless it is withdrawn at the same time."""
    owner, other = await cloud.device(), await cloud.device("budi")
    collection = (await owner.create())["uid"]
    invitation = await owner.invite(other, collection)
    requests = [other.accept(invitation) for _ in range(TIMES)]
    if is_withdrawn:
        requests.insert(0, owner.call("DELETE", f"invitation/outgoing/{invitation}/"))
    seen = await concurrently(*requests)
    taken = seen[201, ""] + seen[204, ""]
    assert (taken, seen[404, "not_found"]) == (1, len(requests) - 1)
    is_member = (await other.call("GET", f"collection/{collection}/"))[0] == 200
    assert is_member == bool(seen[201, ""])
