"""Limits: bytes of a body, requests of an account, logins for a name, and disk space."""

import asyncio
import hashlib
import os
from urllib.parse import urlsplit

import pytest
from nacl.signing import SigningKey

from server.cloud.app import ROUTES
from server.cloud.blobs.routes import MAX_BODY, MAX_SMALL
from server.cloud.rates import BURST_SECONDS
from server.cloud.storage.bodies import LocalBodies
from tests.server.cloud.device import HEADERS, Device, make_item, running
from tests.server.cloud.test_foreign_accounts import PARTS

NAME = "ab" * 32


async def send_head(url, method, path, login, length):
    """Send only the head of a request; returns the status of the answer."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = [f"{method} {path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {length}"]
    head += [f"Authorization: {login}"] if login else []
    writer.write("\r\n".join([*head, "", ""]).encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def pieces(count):  # noqa: RUF029 - as bodies come
    """Yield pieces of 1 KiB."""
    for _ in range(count):
        yield bytes(1024)


async def test_body_limit_of_each_route(cloud):
    """Each route of records and accounts refuses a body above its limit with 413."""
    device = await cloud.device()
    parts = {"id": "A" * 22}
    with_body = [route for route in ROUTES if route.body is not None]
    assert len(with_body) > 20
    for route in with_body:
        path = PARTS.sub(lambda part: parts.get(part[1], "A" * 32), route.path)
        login = "" if route.is_public else f"Token {device.token}"
        head = (cloud.url, route.method, path, login, route.limit + 1)
        assert await send_head(*head) == 413, route.path


async def test_size_limits_of_objects(cloud):
    """An object above its limit is refused; keys, locks and the config have a lower limit."""
    device = await cloud.device()
    program = await device.program()
    login = program.headers["Authorization"]
    assert (await program.ask("POST", "photos/?create=true"))[0] == 200
    small = [f"keys/{NAME}", f"locks/{NAME}", "config"]
    large = [f"{kind}/{NAME}" for kind in ("data", "index", "snapshots")]
    for name, most in [
        *((each, MAX_SMALL) for each in small),
        *((each, MAX_BODY) for each in large),
    ]:
        path = f"/blobs/photos/{name}"
        assert await send_head(cloud.url, "POST", path, login, most + 1) == 413, name


async def test_a_body_without_a_length_is_counted(cloud):
    """A body without a length is cut off at the limit, and nothing of it is stored."""
    device = await cloud.device()
    headers = {**HEADERS, "Authorization": f"Token {device.token}"}
    for method, path in (("POST", "/api/v1/authentication/login/"), ("PUT", "/account/1/choices")):
        request = cloud.http.request(method, cloud.url + path, data=pieces(17), headers=headers)
        async with request as answer:
            assert answer.status == 413, path
    program = await device.program()
    assert (await program.ask("POST", "photos/?create=true"))[0] == 200
    assert (await program.ask("POST", f"photos/keys/{NAME}", pieces(65)))[0] == 413
    assert cloud.stored_bodies() == []


@pytest.fixture
async def limited(tmp_path):
    """Yield a cloud with one request a second for each account, and few logins."""
    async with running(
        tmp_path / "cloud.sqlite", tmp_path, requests_per_second=1, logins_per_hour=6
    ) as served:
        yield served


async def test_rate_limit_of_an_account(limited):
    """All APIs share an account's limit; the answer says when to retry, and others are served."""
    device, other = await limited.device(), await limited.device("budi")
    program = await device.program()
    for _ in range(BURST_SECONDS - 2):  # it has agreed to the policy, and made a token
        assert (await device.call("GET", "collection/"))[0] == 200
    status, answer = await device.call("GET", "collection/")
    assert (status, answer["code"]) == (429, "too_many_requests")
    assert "try again in 1 s" in answer["detail"]
    headers = {"Authorization": f"Token {device.token}"}
    async with limited.http.get(f"{limited.url}/account/1/usage", headers=headers) as refused:
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert refused.content_type == "application/problem+json"
    status, _, fields = await program.ask("GET", "photos/data/")
    assert (status, fields["Retry-After"]) == (429, "1")
    assert (await other.call("GET", "collection/"))[0] == 200
    limited.clock.seconds += 1
    assert (await device.call("GET", "collection/"))[0] == 200
    assert (await device.call("GET", "collection/"))[0] == 429


@pytest.mark.parametrize("name", ["ani", "nobody"])
async def test_rate_limit_of_logins(limited, name):
    """Attempts are limited for known and unknown names, recovery included.

    A correct password has to wait as well.
    """
    owner = await limited.device()
    for _ in range(7):
        assert (await owner.log_in())[0] == 200  # a valid login is not counted
    tried = Device(limited.http, limited.url, name, SigningKey.generate())
    for _ in range(5):
        assert (await tried.log_in())[0] == 401
    signed = await tried.sign("useRecovery", login_key=bytes(32), wrap=b"wrap")
    assert (await tried.ask("POST", "recovery/use", signed))[0] == 401
    status, answer = await tried.log_in()
    assert (status, answer["code"]) == (429, "too_many_requests")
    assert (await tried.ask("POST", "recovery/use", signed))[0] == 429
    assert (await owner.call("GET", "collection/"))[0] == 200
    assert (await owner.log_in())[0] == (429 if name == "ani" else 200)
    limited.clock.seconds += 600
    assert (await tried.log_in())[0] == 401
    assert (await tried.log_in())[0] == 429


BIG = os.urandom(20_000)


@pytest.fixture
async def full(tmp_path):
    """Yield a cloud whose disk is at its limit."""
    bodies = LocalBodies(tmp_path / "bodies", os.urandom, keep_free=1 << 60)
    async with running(tmp_path / "cloud.sqlite", tmp_path, bodies=bodies) as cloud:
        yield cloud


async def test_full_disk(full):
    """Both APIs answer 507; small bodies are still stored, and stored data can be read."""
    device = await full.device()
    collection = (await device.create())["uid"]
    status, answer = await device.batch(collection, make_item(BIG))
    assert (status, answer["code"]) == (507, "no_room")
    program, name = await device.program(), hashlib.sha256(BIG).hexdigest()
    assert (await program.ask("POST", "photos/?create=true"))[0] == 200
    status, answer, _ = await program.ask("POST", f"photos/data/{name}", BIG)
    assert (status, b"no room" in answer) == (507, True)
    assert (await program.ask("HEAD", f"photos/data/{name}"))[0] == 404
    small = make_item(b"small")
    assert (await device.batch(collection, small))[0] == 200
    status, listed = await device.call("GET", f"collection/{collection}/item/")
    assert [item["uid"] for item in listed["data"]] == [small["uid"]]
    assert (await device.ask("GET", "usage"))[1]["used"] < len(BIG)
    assert full.stored_bodies() == []
