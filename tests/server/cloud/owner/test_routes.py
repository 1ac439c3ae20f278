"""The account API: an owner's devices and programs, and their stored data."""

import pytest

from tests.server.cloud.device import Device, make_item


async def test_devices_are_listed_and_logged_out(cloud):
    """Each by its id, from any other device; the one that asks is marked."""
    device = await cloud.device()
    cloud.clock.seconds += 60
    second = Device(cloud.http, cloud.url, "ani", device.key)
    await second.log_in()
    status, sessions = await device.ask("GET", "sessions")
    assert status == 200
    assert [each["is_this"] for each in sessions] == [False, True]
    assert sessions[0]["created_at"] == cloud.clock.seconds
    path = f"sessions/{sessions[0]['id']}"
    assert await device.ask("DELETE", path) == (204, None)
    assert (await device.ask("DELETE", path))[0] == 404
    assert (await second.ask("GET", "sessions"))[0] == 401
    assert len((await device.ask("GET", "sessions"))[1]) == 1


async def test_tokens_are_made_listed_and_removed(cloud):
    """The secret is shown once; a removed token is invalid."""
    device = await cloud.device()
    status, made = await device.ask("POST", "app-tokens", {"door": "blobs", "reads_only": True})
    assert status == 201
    _, listed = await device.ask("GET", "app-tokens")
    assert listed == [
        {
            "id": made["id"],
            "door": "blobs",
            "reads_only": True,
            "created_at": cloud.clock.seconds,
        }
    ]
    assert await device.ask("DELETE", f"app-tokens/{made['id']}") == (204, None)
    assert (await device.ask("GET", "app-tokens"))[1] == []


async def test_an_account_has_so_many_tokens(cloud):
    """One more is refused with a problem document; a removal makes room."""
    device = await cloud.device()
    for _ in range(32):
        await device.make_token()
    status, problem = await device.ask("POST", "app-tokens", {"door": "blobs"})
    assert (status, problem["type"]) == (409, "urn:hening:problem:too-many-tokens")
    _, listed = await device.ask("GET", "app-tokens")
    await device.ask("DELETE", f"app-tokens/{listed[0]['id']}")
    await device.make_token()


async def test_usage_is_what_is_kept(cloud):
    """Counts ciphertext of items and their descriptions."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    before = (await device.ask("GET", "usage"))[1]["used"]
    await device.batch(collection, make_item(bytes(1000)))
    after = (await device.ask("GET", "usage"))[1]
    assert after["used"] == before + 1000 + 64
    assert after["quota"] == 15 << 30


async def test_an_account_sees_its_own_alone(cloud):
    """Sessions and tokens of other accounts are answered as unknown."""
    owner, other = await cloud.device(), await cloud.device("budi")
    await owner.make_token()
    (session,) = (await owner.ask("GET", "sessions"))[1]
    (token,) = (await owner.ask("GET", "app-tokens"))[1]
    assert (await other.ask("DELETE", f"sessions/{session['id']}"))[0] == 404
    assert (await other.ask("DELETE", f"app-tokens/{token['id']}"))[0] == 404
    assert (await other.ask("GET", "app-tokens"))[1] == []
    assert (await owner.ask("GET", "usage"))[0] == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"door": "all"}, {"door": "blobs", "more": 1}, [], {"door": "blobs", "reads_only": 1}],
)
async def test_what_is_no_request_is_refused(cloud, body):
    """With a problem document, and every request without a token."""
    device = await cloud.device()
    status, problem = await device.ask("POST", "app-tokens", body)
    assert (status, problem["type"]) == (400, "urn:hening:problem:malformed")
    assert problem["title"] == "Bad Request"
    device.token = ""
    assert (await device.ask("GET", "usage"))[0] == 401
