"""A store without space: a clear refusal by each API, and nothing changed."""

import hashlib
import os

import aiohttp
import pytest

from server.cloud.storage.bodies import LocalBodies
from tests.server.cloud.device import make_item, running

BIG = os.urandom(20_000)


@pytest.fixture
async def full(tmp_path):
    """Give a cloud whose disk is at its limit."""
    bodies = LocalBodies(tmp_path / "bodies", os.urandom, keep_free=1 << 60)
    async with running(tmp_path / "cloud.sqlite", tmp_path, bodies=bodies) as cloud:
        yield cloud


async def test_there_is_no_room_for_larger_bodies(full):
    """507 by both APIs; small bodies are still stored, and stored data is read and removed."""
    device = await full.device()
    collection = (await device.create())["uid"]
    status, answer = await device.batch(collection, make_item(BIG))
    assert (status, answer["code"]) == (507, "no_room")
    token = await device.make_token()
    vault = f"{full.url}/blobs/photos/"
    login = {"Authorization": aiohttp.encode_basic_auth("ani", token)}
    async with full.http.post(f"{vault}?create=true", headers=login) as made:
        assert made.status == 200
    name = hashlib.sha256(BIG).hexdigest()
    async with full.http.post(f"{vault}data/{name}", data=BIG, headers=login) as refused:
        assert (refused.status, "no room" in await refused.text()) == (507, True)
    async with full.http.head(f"{vault}data/{name}", headers=login) as there:
        assert there.status == 404
    small = make_item(b"small")
    assert (await device.batch(collection, small))[0] == 200
    status, listed = await device.call("GET", f"collection/{collection}/item/")
    assert [item["uid"] for item in listed["data"]] == [small["uid"]]
    assert (await device.ask("GET", "usage"))[1]["used"] < len(BIG)
    assert [path for path in (full.folder / "bodies").rglob("*") if path.is_file()] == []
