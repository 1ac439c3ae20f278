"""Bytes that are no request: refused, and neither answer nor log says a word of them."""

import asyncio
import zlib
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from server.cloud.runner import CloudRunner
from server.cloud.settings import CloudSettings
from tests.server.cloud.device import HEADERS

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


@pytest.fixture
def place(tmp_path):
    """Give a SQLite database; none is asked here."""
    return tmp_path / "hening.sqlite"


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_request_is_refused(cloud, caplog, capfd, name):
    """Without the line that is wrong, an address or a version."""
    address = urlsplit(cloud.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(MALFORMED[name])
    answer = await reader.read()
    writer.close()
    assert b" 400 Bad Request\r\n" in answer.partition(b"\r\n")[0] + b"\r\n"
    assert not [word for word in (b"canary", b"Server:", b"aiohttp") if word in answer]
    assert b"Cache-Control: no-store" in answer
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


async def test_a_compressed_body_is_not_expanded(cloud):
    """It is none of the protocol's; a small one would else become a large one in memory."""
    body = zlib.compress(bytes(1_000_000))
    headers = {**HEADERS, "Content-Encoding": "deflate"}
    url = f"{cloud.url}/api/v1/authentication/login/"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as sent:
        assert (sent.status, b"malformed" in await sent.read()) == (400, True)


async def test_a_silent_connection_stays_open():
    """For 300 s or what the settings say: clients compute a key between two requests."""
    for settings, seconds in ({}, 300), ({"idle_seconds": 20}, 20):
        runner = CloudRunner(web.Application(), CloudSettings(region="id", **settings))
        await runner.setup()
        assert runner.server().keepalive_timeout == seconds
        await runner.cleanup()
