"""Batches and transactions: all or nothing, once, and only over revisions that the writer has."""

import os

import pytest

from tests.server.cloud.device import change, make_item, running, uid


async def listed(device, collection, query=""):
    """Return the list of a collection's items."""
    status, answer = await device.call("GET", f"collection/{collection}/item/{query}")
    assert status == 200, answer
    return answer


async def test_what_was_written_is_read(cloud):
    """Small bodies and large ones, in the order of their arrival."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    items = [make_item(os.urandom(size)) for size in (1, 16 * 1024, 16 * 1024 + 1, 300_000)]
    assert await device.batch(collection, *items) == (200, b"")
    answer = await listed(device, collection)
    assert answer["done"]
    assert [each["uid"] for each in answer["data"]] == [each["uid"] for each in items]
    for item, found in zip(items, answer["data"], strict=True):
        assert found["content"] == item["content"]
        assert found["etag"] == item["content"]["uid"]
    without = await listed(device, collection, "?prefetch=medium")
    assert without["data"][0]["content"]["chunks"] == [[items[0]["content"]["chunks"][0][0], None]]
    assert len(list((cloud.folder / "bodies").rglob("*"))) == 2 + 2  # folders, and two files


@pytest.mark.parametrize("way", ["batch", "transaction"])
async def test_a_repeated_request_is_a_success(cloud, way):
    """The answer to the first one may have been lost; nothing is stored twice."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    item = make_item(b"body")
    for _ in range(2):
        assert (await device.batch(collection, item, way=way))[0] == 200
    second = change(item)
    for _ in range(2):
        assert (await device.batch(collection, second, way=way))[0] == 200
    answer = await listed(device, collection)
    assert [each["content"] for each in answer["data"]] == [second["content"]]
    revisions = f"collection/{collection}/item/{item['uid']}/revision/"
    _, answer = await device.call("GET", revisions)
    assert [each["uid"] for each in answer["data"]] == [
        second["content"]["uid"],
        item["content"]["uid"],
    ]


async def test_nothing_is_written_where_one_item_is_refused(cloud):
    """A transaction over another revision names the item, and changes nothing."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    first, other = make_item(), make_item(b"body")
    assert (await device.batch(collection, first))[0] == 200
    stale = {**change(first), "etag": uid()}
    status, answer = await device.batch(collection, other, stale, way="transaction")
    assert (status, answer["code"]) == (409, "item_failed")
    assert [each["field"] for each in answer["errors"]] == [first["uid"]]
    assert [each["uid"] for each in (await listed(device, collection))["data"]] == [first["uid"]]
    status, answer = await device.call(
        "POST",
        f"collection/{collection}/item/batch/",
        {"items": [other], "deps": [{"uid": first["uid"], "etag": uid()}]},
    )
    assert (status, answer["code"]) == (409, "dep_failed")
    status, answer = await device.batch(collection, other, query="?stoken=YWJj")
    assert (status, answer["code"]) == (409, "stale_stoken")
    assert len((await listed(device, collection))["data"]) == 1


def _naming(item, chunk):
    return {**item, "content": {**item["content"], "chunks": [[chunk]]}}


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda item: [item, item], 400, "duplicate_uid"),
        (lambda item: [_naming(item, uid())], 400, "chunk_no_content"),
        (lambda item: [_naming(item, "short")], 400, "malformed"),
        (lambda item: [{**item, "uid": "../../../etc/passwd"}], 400, "malformed"),
        (lambda item: [{**item, "version": 256}], 400, "malformed"),
        (lambda item: [{**item, "content": {}}], 400, "malformed"),
        (lambda _: [make_item() for _ in range(201)], 400, "malformed"),
    ],
)
async def test_what_no_client_should_send(cloud, make, status, code):
    """It is refused with a message, and nothing is stored."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    found, answer = await device.batch(collection, *make(make_item()))
    assert (found, answer["code"]) == (status, code)
    assert answer["detail"].endswith(".")
    assert (await listed(device, collection))["data"] == []


async def test_no_item_goes_back_to_an_earlier_revision(cloud):
    """A device that missed a change would undo it."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    item = make_item()
    for each in (item, change(item)):
        assert (await device.batch(collection, each))[0] == 200
    status, answer = await device.batch(collection, item)
    assert (status, answer["code"]) == (400, "revision_exists")


async def test_pages_give_each_change_once(cloud):
    """A change between two pages is in a later one."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    items = [make_item() for _ in range(5)]
    await device.batch(collection, *items)
    page = await listed(device, collection, "?limit=2")
    assert not page["done"]
    changed = change(items[0])
    await device.batch(collection, changed)
    seen = [each["uid"] for each in page["data"]]
    while not page["done"]:
        page = await listed(device, collection, f"?limit=2&stoken={page['stoken']}")
        seen += [each["uid"] for each in page["data"]]
    assert seen == [*(each["uid"] for each in items), items[0]["uid"]]
    again = await listed(device, collection, f"?stoken={page['stoken']}")
    assert (again["data"], again["done"]) == ([], True)


async def test_an_account_keeps_no_more_than_its_quota(place, tmp_path):
    """A batch above the quota is not stored at all; stored data stays readable."""
    async with running(place, tmp_path, quota=100_000) as cloud:
        device = await cloud.device()
        collection = (await device.create())["uid"]
        kept = make_item(os.urandom(60_000))
        assert (await device.batch(collection, kept))[0] == 200
        status, answer = await device.batch(collection, make_item(os.urandom(60_000)))
        assert (status, answer["code"]) == (507, "quota_exceeded")
        chunk = f"collection/{collection}/item/{kept['uid']}/chunk/{uid()}/"
        assert (await device.call("PUT", chunk, raw=os.urandom(60_000)))[0] == 507
        answer = await listed(device, collection)
        assert [each["content"] for each in answer["data"]] == [kept["content"]]


async def test_the_same_chunk_is_kept_once(cloud):
    """Sent in advance, and again with the item: a client resumes where it was interrupted."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    item = make_item(os.urandom(50_000))
    name, body = item["content"]["chunks"][0]
    path = f"collection/{collection}/item/{item['uid']}/chunk/{name}/"
    assert (await device.call("PUT", path, raw=body))[0] == 201
    status, answer = await device.call("PUT", path, raw=b"another")
    assert (status, answer["code"]) == (409, "chunk_exists")
    assert (await device.batch(collection, item))[0] == 200
    assert await device.call("GET", f"{path}download/") == (200, body)
