"""Lists: pages limited by entries and bytes, and cursors of one database."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from server.cloud.errors import CloudError
from server.cloud.records import reading
from server.cloud.records.wire import (
    Cursor,
    decode_changes,
    decode_sequence,
    encode_cursor,
    is_at,
)
from server.cloud.storage.models import Chunk
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import make_item, uid


async def test_a_page_has_fifty_entries(device):
    """A page has 50 entries, or up to 500 on request; a collection's own item is optional."""
    items = [make_item() for _ in range(51)]
    assert (await device.batch(device.collection, *items))[0] == 200
    for query, count, done in (
        ("", 50, False),
        ("?limit=51", 51, True),
        ("?limit=500&withCollection=true", 52, True),
    ):
        _, page = await device.call("GET", device.items + query)
        assert (len(page["data"]), page["done"]) == (count, done), query
    for limit in ("0", "501", "-1", "x", "", "1" * 400, "\u0661"):
        status, answer = await device.call("GET", f"{device.items}?limit={limit}")
        assert (status, answer["code"]) == (400, "bad_limit"), limit


async def test_page_size_is_limited_by_bytes(device, monkeypatch):
    """A page ends before its bodies exceed the limit, but has at least one item.

    Without bodies, their length does not matter.
    """
    monkeypatch.setattr(reading, "PAGE_BYTES", 45_000)
    items = [make_item(os.urandom(length)) for length in (20_000, 20_000, 20_000, 50_000)]
    assert (await device.batch(device.collection, *items))[0] == 200
    found, since = [], ""
    while not found or found[-1]:
        _, page = await device.call("GET", f"{device.items}?limit=10{since}")
        since = f"&stoken={page['stoken']}"
        found.append([each["uid"] for each in page["data"]])
    uids = [item["uid"] for item in items]
    assert found == [uids[:2], uids[2:3], uids[3:], []]
    _, page = await device.call("GET", f"{device.items}?prefetch=medium")
    assert (len(page["data"]), page["done"]) == (4, True)


async def test_refused_queries(device):
    """Too many items, an unknown iterator, and a ticket for a socket are refused."""
    known = [{"uid": uid()} for _ in range(200)]
    path = f"{device.items}fetch_updates/"
    assert (await device.call("POST", path, known))[1]["data"] == []
    (other,) = await make_items(device, 1)
    for method, address, body, expected in (
        ("POST", path, [*known, {"uid": uid()}], (400, "too_many_items")),
        ("GET", "invitation/incoming/?iterator=x", None, (400, "bad_iterator")),
        ("GET", f"collection/{device.collection}/member/?iterator=-1", None, (400, "bad_iterator")),
        ("GET", f"{device.items}{other}/revision/?iterator={uid()}", None, (404, "not_found")),
        ("POST", f"{device.items}subscription-ticket/", None, (501, "not_implemented")),
    ):
        status, answer = await device.call(method, address, body)
        assert (status, answer["code"]) == expected, address


async def make_items(device, count):
    """Write items; returns their uids."""
    items = [make_item() for _ in range(count)]
    assert (await device.batch(device.collection, *items))[0] == 200
    return [item["uid"] for item in items]


@on_both
async def test_item_with_a_lost_body(device, database):
    """Only the item whose body is lost gets an error; other items can be read."""
    lost, there = make_item(os.urandom(20_000)), make_item(os.urandom(20_000))
    assert (await device.batch(device.collection, lost, there))[0] == 200
    async with database.begin() as db:
        chunk = Chunk.uid == lost["content"]["chunks"][0][0]
        gone = f"chunks/{device.collection}/{'a' * 65}"
        await db.execute(update(Chunk).where(chunk).values(stored=gone))
    status, answer = await device.call("GET", f"{device.items}{lost['uid']}/")
    assert (status, answer["code"]) == (500, "chunk_lost")
    assert (await device.call("GET", f"{device.items}{there['uid']}/"))[0] == 200


NUMBERS = st.integers(0, 2**64 - 1)
NAMES = st.text(min_size=1, max_size=40)


@given(st.binary(min_size=4, max_size=4), NAMES, NUMBERS, NAMES, NUMBERS)
def test_cursor_round_trip(generation, account, changes, collection, sequence):
    """A cursor's two counts are decoded, each for its own account or collection."""
    text = encode_cursor(Cursor(generation, account, changes, collection, sequence))
    assert decode_changes(text, generation, account) == changes
    assert decode_sequence(text, generation, collection) == sequence
    assert is_at(text, generation, collection, sequence)
    assert not is_at(text, generation, collection, (sequence + 1) % 2**64)


def test_cursor_of_another_list():
    """A client that uses a cursor for the wrong list gets more entries, never fewer."""
    of_items = encode_cursor(Cursor(b"base", collection="first", sequence=9))
    of_collections = encode_cursor(Cursor(b"base", account="ani", changes=7))
    assert decode_sequence(of_items, b"base", "second") == 0
    assert decode_changes(of_items, b"base", "ani") == 0
    assert decode_changes(of_collections, b"base", "budi") == 0
    assert decode_sequence(of_collections, b"base", "first") == 0
    assert decode_changes(None, b"base", "ani") == decode_sequence(None, b"base", "first") == 0


@given(st.text(max_size=60))
def test_malformed_and_old_cursors_are_refused(text):
    """Any other text is refused, and so are cursors from before a restored backup."""
    with pytest.raises(CloudError, match="list again without one"):
        decode_sequence(text, b"base", "first")
    assert not is_at(text, b"base", "first", 0)
    old = encode_cursor(Cursor(b"past", collection="first", sequence=9))
    with pytest.raises(CloudError, match="list again without one") as caught:
        decode_sequence(old, b"base", "first")
    assert (caught.value.status, caught.value.code) == (400, "bad_stoken")
