"""Headers of all answers are on a list; malformed requests are refused without details."""

import asyncio
import hashlib
import os
import zlib
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from server.cloud.app import CloudRunner
from server.cloud.settings import CloudSettings
from tests.cases import case
from tests.server.cloud.device import HEADERS

EACH = {"Date", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"}
LENGTH = {"Content-Length", "Transfer-Encoding"}
MORE = {
    "Allow",
    "Content-Disposition",
    "Content-Range",
    "Content-Type",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "WWW-Authenticate",
}


async def test_each_answer_has_listed_headers(cloud):
    """Answers of every API and of the page have no cookie, tag, modification date or redirect."""
    device = await cloud.device()
    body = os.urandom(2000)
    name, token = hashlib.sha256(body).hexdigest(), await device.make_token()
    basic = aiohttp.encode_basic_auth("ani", token)
    _, link = await device.ask("POST", "owner-links")
    owner, program = f"Token {device.token}", basic
    seen, statuses = set(), []
    for method, path, login, sent in (
        ("GET", "/api/v1/collection/", owner, None),
        ("GET", "/api/v1/collection/", "", None),
        ("POST", "/api/v1/authentication/login/", "", b"no msgpack"),
        ("GET", "/api/v1/nothing/", owner, None),
        ("GET", "/account/1/usage", owner, None),
        ("GET", "/account/1/export", owner, None),
        ("PUT", "/account/1/usage", owner, None),
        ("GET", "/account/1/nothing", owner, None),
        ("POST", "/blobs/photos/?create=true", program, None),
        ("POST", f"/blobs/photos/data/{name}", program, body),
        ("HEAD", f"/blobs/photos/data/{name}", program, None),
        ("GET", f"/blobs/photos/data/{name}", program, None),
        ("GET", f"/blobs/photos/data/{name}", "", None),
        ("GET", "/policy/id", "", None),
        ("GET", f"/erasure/{'e' * 22}", "", None),
        ("GET", "/owner", "", None),
        ("GET", "/owner/style.css", "", None),
        ("GET", link["url"].removeprefix(cloud.url), "", None),
        ("GET", "/owner/nothing", "", None),
    ):
        headers = {"Authorization": login, "Range": "bytes=1-2"} if login else {}
        request = cloud.http.request(
            method, cloud.url + path, data=sent, headers=headers, allow_redirects=False
        )
        async with request as answer:
            found = set(answer.headers)
            await answer.read()
            assert found - LENGTH - MORE == EACH, (method, path)
            assert answer.headers["Cache-Control"] == "no-store"
            seen |= found
            statuses.append(answer.status)
    assert seen == EACH | LENGTH | MORE
    assert statuses == [
        *(200, 401, 400, 404, 200, 200, 405, 404),
        *(200, 200, 200, 206, 401, 200, 404, 200, 200, 200, 404),
    ]


HEAD = b"GET /account/1/usage HTTP/1.1\r\nHost: localhost\r\n"
SEND = b"POST /api/v1/authentication/login/ HTTP/1.1\r\nHost: localhost\r\n"
MALFORMED = {
    "a space after a header's name": HEAD + b"Authorization : Token canary\r\n\r\n",
    "a zero in a header's name": HEAD + b"Authori\x00zation: Token canary\r\n\r\n",
    "a long header": HEAD + b"Authorization: Token " + 2000 * b"canary" + b"\r\n\r\n",
    "a byte of no path": b"GET /account/1/canary\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no method": b"canary\x16\x03\x01 / HTTP/1.1\r\n\r\n",
    "two lengths": SEND + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\ncanary",
    "a chunk without a length": SEND + b"Transfer-Encoding: chunked\r\n\r\ncanary\r\n",
}


async def test_malformed_requests_are_refused(cloud, caplog, capfd):
    """The refusal contains no part of the request, no address and no version."""
    address = urlsplit(cloud.url)
    for name, data in MALFORMED.items():
        with case(name):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(data)
            answer = await reader.read()
            writer.close()
            assert b" 400 Bad Request\r\n" in answer.partition(b"\r\n")[0] + b"\r\n"
            assert not [word for word in (b"canary", b"Server:", b"aiohttp") if word in answer]
            assert b"Cache-Control: no-store" in answer
            assert caplog.records == []
            assert capfd.readouterr() == ("", "")


async def test_a_compressed_body_is_not_expanded(cloud):
    """A compressed body is refused, because a small one could expand to a large one in memory."""
    body = zlib.compress(bytes(1_000_000))
    headers = {**HEADERS, "Content-Encoding": "deflate"}
    url = f"{cloud.url}/api/v1/authentication/login/"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as sent:
        assert (sent.status, b"malformed" in await sent.read()) == (400, True)


async def test_a_silent_connection_stays_open():
    """A connection may be idle for 300 s or as configured, so that clients can compute keys."""
    for settings, seconds in ({}, 300), ({"idle_seconds": 20}, 20):
        runner = CloudRunner(web.Application(), CloudSettings(region="id", **settings))
        await runner.setup()
        assert runner.server().keepalive_timeout == seconds
        await runner.cleanup()
