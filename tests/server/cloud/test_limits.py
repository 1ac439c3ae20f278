"""Bodies are capped: a longer one is refused by its length, before any of it is read."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.cloud.app import ROUTES
from server.cloud.blobs.receiving import MAX_BODY, MAX_SMALL
from tests.server.cloud.device import HEADERS
from tests.server.cloud.test_foreign_accounts import PARTS

NAME = "ab" * 32


@pytest.fixture
def place(tmp_path):
    """Give a SQLite database: nothing is stored here."""
    return tmp_path / "hening.sqlite"


async def send_head(url, method, path, login, length):
    """Send the head of a request alone; returns the status of the answer."""
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


async def test_each_route_says_how_long_a_body_may_be(cloud):
    """Of records and accounts."""
    device = await cloud.device()
    parts = {"id": "A" * 22}
    with_body = [route for route in ROUTES if route.body is not None]
    assert len(with_body) > 20
    for route in with_body:
        path = PARTS.sub(lambda part: parts.get(part[1], "A" * 32), route.path)
        login = "" if route.is_public else f"Token {device.token}"
        head = (cloud.url, route.method, path, login, route.limit + 1)
        assert await send_head(*head) == 413, route.path


async def test_an_object_has_so_many_bytes(cloud):
    """Keys, locks and the config fewer."""
    device = await cloud.device()
    login = aiohttp.encode_basic_auth("ani", await device.make_token())
    create = f"{cloud.url}/blobs/photos/?create=true"
    async with cloud.http.post(create, headers={"Authorization": login}) as made:
        assert made.status == 200
    small = [f"keys/{NAME}", f"locks/{NAME}", "config"]
    large = [f"{kind}/{NAME}" for kind in ("data", "index", "snapshots")]
    for name, most in [
        *((each, MAX_SMALL) for each in small),
        *((each, MAX_BODY) for each in large),
    ]:
        path = f"/blobs/photos/{name}"
        assert await send_head(cloud.url, "POST", path, login, most + 1) == 413, name


async def test_a_body_without_a_length_is_counted(cloud):
    """And nothing of it is kept."""
    device = await cloud.device()
    headers = {**HEADERS, "Authorization": f"Token {device.token}"}
    for method, path in (
        ("POST", "/api/v1/authentication/login/"),
        ("PUT", "/account/1/choices"),
    ):
        request = cloud.http.request(method, cloud.url + path, data=pieces(17), headers=headers)
        async with request as answer:
            assert answer.status == 413, path
    login = aiohttp.encode_basic_auth("ani", await device.make_token())
    blobs = f"{cloud.url}/blobs/photos"
    headers = {"Authorization": login}
    async with cloud.http.post(f"{blobs}/?create=true", headers=headers) as made:
        assert made.status == 200

    async with cloud.http.post(f"{blobs}/keys/{NAME}", data=pieces(65), headers=headers) as answer:
        assert answer.status == 413
    assert [path for path in (cloud.folder / "bodies").rglob("*") if path.is_file()] == []
