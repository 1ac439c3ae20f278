"""Batches and transactions: all or nothing, once, and only over revisions the writer has."""

import os

from tests.cases import case
from tests.server.cloud.device import change, make_item, running, uid


async def listed(device, query=""):
    """Return the list of a collection's items."""
    status, answer = await device.call("GET", device.items + query)
    assert status == 200, answer
    return answer


async def test_written_items_are_read(cloud, device):
    """Small and large bodies are returned in the order of their arrival."""
    items = [make_item(os.urandom(size)) for size in (1, 16 * 1024, 16 * 1024 + 1, 300_000)]
    assert await device.batch(device.collection, *items) == (200, b"")
    answer = await listed(device)
    assert answer["done"]
    assert [each["uid"] for each in answer["data"]] == [each["uid"] for each in items]
    for item, found in zip(items, answer["data"], strict=True):
        assert found["content"] == item["content"]
        assert found["etag"] == item["content"]["uid"]
    without = await listed(device, "?prefetch=medium")
    assert without["data"][0]["content"]["chunks"] == [[items[0]["content"]["chunks"][0][0], None]]
    assert len(list((cloud.folder / "bodies").rglob("*"))) == 2 + 2  # two folders and two files


async def test_a_repeated_request_is_a_success(device):
    """A repeated request succeeds and stores nothing twice, because its answer may have been lost.

    An earlier revision is refused: a device that missed a change would undo it.
    """
    for way in ("batch", "transaction"):
        item = make_item(b"body")
        second = change(item)
        for each in (item, item, second, second):
            assert (await device.batch(device.collection, each, way=way))[0] == 200
        answer = await listed(device)
        assert [each["content"] for each in answer["data"]][-1] == second["content"]
        _, answer = await device.call("GET", f"{device.items}{item['uid']}/revision/")
        uids = [second["content"]["uid"], item["content"]["uid"]]
        assert [each["uid"] for each in answer["data"]] == uids
    assert len((await listed(device))["data"]) == 2
    status, answer = await device.batch(device.collection, item)
    assert (status, answer["code"]) == (400, "revision_exists")


async def test_refused_transaction_writes_nothing(device):
    """A transaction over another revision names the item, and changes nothing."""
    first, other = make_item(), make_item(b"body")
    assert (await device.batch(device.collection, first))[0] == 200
    stale = {**change(first), "etag": uid()}
    status, answer = await device.batch(device.collection, other, stale, way="transaction")
    assert (status, answer["code"]) == (409, "item_failed")
    assert [each["field"] for each in answer["errors"]] == [first["uid"]]
    assert [each["uid"] for each in (await listed(device))["data"]] == [first["uid"]]
    asked = {"items": [other], "deps": [{"uid": first["uid"], "etag": uid()}]}
    status, answer = await device.call("POST", f"{device.items}batch/", asked)
    assert (status, answer["code"]) == (409, "dep_failed")
    status, answer = await device.batch(device.collection, other, query="?stoken=YWJj")
    assert (status, answer["code"]) == (409, "stale_stoken")
    assert len((await listed(device))["data"]) == 1


async def test_invalid_batches_are_refused(device):
    """An invalid batch is refused with a message, and nothing is stored."""
    item = make_item()

    def naming(chunk):
        return {**item, "content": {**item["content"], "chunks": [[chunk]]}}

    for items, code in (
        ([item, item], "duplicate_uid"),
        ([naming(uid())], "chunk_no_content"),
        ([naming("short")], "malformed"),
        ([{**item, "uid": "../../../etc/passwd"}], "malformed"),
        ([{**item, "version": 256}], "malformed"),
        ([{**item, "content": {}}], "malformed"),
        ([make_item() for _ in range(201)], "malformed"),
    ):
        with case(items[0], code):
            status, answer = await device.batch(device.collection, *items)
            assert (status, answer["code"]) == (400, code)
            assert answer["detail"].endswith(".")
            assert (await listed(device))["data"] == []


async def test_pages_give_each_change_once(device):
    """A change between two pages is in a later page."""
    items = [make_item() for _ in range(5)]
    await device.batch(device.collection, *items)
    page = await listed(device, "?limit=2")
    assert not page["done"]
    await device.batch(device.collection, change(items[0]))
    seen = [each["uid"] for each in page["data"]]
    while not page["done"]:
        page = await listed(device, f"?limit=2&stoken={page['stoken']}")
        seen += [each["uid"] for each in page["data"]]
    assert seen == [*(each["uid"] for each in items), items[0]["uid"]]
    again = await listed(device, f"?stoken={page['stoken']}")
    assert (again["data"], again["done"]) == ([], True)


async def test_quota_of_records(place, tmp_path):
    """A batch above the quota is not stored at all; stored data stays readable."""
    async with running(place, tmp_path, quota=100_000) as cloud:
        device = await cloud.device()
        collection = (await device.create())["uid"]
        kept = make_item(os.urandom(60_000))
        assert (await device.batch(collection, kept))[0] == 200
        status, answer = await device.batch(collection, make_item(os.urandom(60_000)))
        assert (status, answer["code"]) == (507, "quota_exceeded")
        items = f"collection/{collection}/item/"
        chunk = f"{items}{kept['uid']}/chunk/{uid()}/"
        assert (await device.call("PUT", chunk, raw=os.urandom(60_000)))[0] == 507
        _, answer = await device.call("GET", items)
        assert [each["content"] for each in answer["data"]] == [kept["content"]]


async def test_chunk_sent_in_advance(device):
    """A chunk may be sent in advance, and again with its item, so that uploads can be resumed."""
    item = make_item(os.urandom(50_000))
    name, body = item["content"]["chunks"][0]
    path = f"{device.items}{item['uid']}/chunk/{name}/"
    assert (await device.call("PUT", path, raw=body))[0] == 201
    status, answer = await device.call("PUT", path, raw=b"another")
    assert (status, answer["code"]) == (409, "chunk_exists")
    assert (await device.batch(device.collection, item))[0] == 200
    assert await device.call("GET", f"{path}download/") == (200, body)
