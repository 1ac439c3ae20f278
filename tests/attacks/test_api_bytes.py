"""Malformed and hostile bytes: the control plane sends one short answer and closes."""

import asyncio
import contextlib
import logging
import re

import pytest
import structlog

from server.release.api import listener, serving
from server.release.api.operation import Reply
from server.settings import Settings
from tests.cases import case
from tests.server.release.api.toys import FAILURES, MADE, TOYS, Toy, operation
from tests.server.release.api_world import FAST, api_world

TOKEN = b"Authorization: Bearer admin\r\n"
JSON = b"Content-Type: application/json\r\n"
POST = b"POST /api/v1/toys HTTP/1.1\r\nHost: a\r\n" + TOKEN + JSON
GET = b"GET /api/v1/toys/bear HTTP/1.1\r\nHost: a\r\n" + TOKEN
LAST = b"Host: a\r\nConnection: close\r\n"
BEAR = b'{"name":"bear","colour":"red"}'
LIMIT = 16_384


@pytest.fixture
async def api(fresh, monkeypatch):
    """Yield the small API, with a short time limit for reading refused requests."""
    monkeypatch.setattr(listener, "LINGER_SECONDS", 0.2)
    MADE.clear()
    async with api_world(fresh, TOYS + FAILURES) as served:
        yield served


async def send(api, data):
    """Send bytes over a new connection; return all bytes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(data)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def statuses(answer):
    """Return the status of each answer in `answer`, which has answers one after the other."""
    return [int(status) for status in re.findall(rb"HTTP/\d\.\d (\d{3}) ", answer)]


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = POST + b"Content-Length: 30\r\n\r\n" + BEAR
MALFORMED = {
    "both lengths": POST
    + b"Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 30\r\n\r\n" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 30, 30\r\n\r\n" + BEAR,
    "a signed length": POST + b"Content-Length: +30\r\n\r\n" + BEAR,
    "a length in hex": POST + b"Content-Length: 0x1e\r\n\r\n" + BEAR,
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + BEAR,
    "chunked is not last": POST
    + b"Transfer-Encoding: chunked, identity\r\n\r\n1e\r\n"
    + BEAR
    + b"\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 30\r\n\r\n" + BEAR,
    "a folded header": POST + b"X: a\r\n b\r\nContent-Length: 30\r\n\r\n" + BEAR,
    "NUL in a header": POST + b"X: a\0b\r\nContent-Length: 30\r\n\r\n" + BEAR,
    "a bare CR in a header": POST + b"X: a\rb\r\nContent-Length: 30\r\n\r\n" + BEAR,
    "no name": POST + b": a\r\n\r\n",
    "a chunk without a size": CHUNKED + b"xyz\r\n" + BEAR,
    "a negative chunk": CHUNKED + b"-1e\r\n" + BEAR,
    "a chunk that is longer": CHUNKED + b"1d\r\n" + BEAR + b"\r\n0\r\n\r\n",
    "a long line": b"GET /api/v1/" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long header": GET + b"X: " + b"a" * 9000 + b"\r\n\r\n",
    "many headers": GET + b"".join(b"X-%d: a\r\n" % n for n in range(100)) + b"\r\n",
    "no version": b"GET /api/v1/health\r\n\r\n",
    "another version": b"GET /api/v1/health HTTP/3.0\r\nHost: a\r\n\r\n",
    "no host": b"GET /api/v1/toys HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "rubbish": b"\x00\xff\x00\xff\r\n\r\n",
}


async def test_malformed_requests(api):
    """There is one refusal and the connection ends; a request smuggled after it is not executed."""
    for name, data in MALFORMED.items():
        with case(name):
            answer = await send(api, data)
            assert statuses(answer) == [400]
            assert b"application/problem+json" in answer
            assert b"Server:" not in answer
    assert MADE == []


TARGETS = {
    b"http://evil.example/api/v1/health": 404,
    b"//api/v1/health": 404,
    b"/api/v1/../v1/health": 404,
    b"/api/v1/./health": 404,
    b"/api/v1/health/": 404,
    b"/api/v1/health;a=b": 404,
    b"/api/v1/HEALTH": 404,
    b"/api/v1/health%00": 404,
    b"/api/v1/toys/%2e%2e": 404,
    b"/api%2fv1/health": 404,
    b"*": 400,
}


async def test_other_spellings_of_a_path(api):
    """A path has exactly one spelling; other spellings are refused."""
    for target, status in TARGETS.items():
        answer = await send(api, b"GET " + target + b" HTTP/1.1\r\n" + LAST + TOKEN + b"\r\n")
        assert statuses(answer) == [status], target


async def test_upgrade_and_connect(api):
    """Upgrade and CONNECT requests are refused."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    closing = GET.replace(b"Host: a\r\n", LAST)
    assert statuses(await send(api, GET + upgrade + closing + b"\r\n")) == [200, 200]
    answer = await send(api, b"CONNECT evil.example:443 HTTP/1.1\r\n" + LAST + b"\r\n")
    assert statuses(answer) in ([400], [404])


async def test_pipelining(api):
    """Valid pipelined requests are answered in order, one answer each."""
    missing = GET.replace(b"bear", b"wolf").replace(b"Host: a\r\n", LAST)
    answer = await send(api, (GET + b"\r\n") * 3 + missing + b"\r\n")
    assert statuses(answer) == [200, 200, 200, 404]


async def test_content_length_over_limit(api):
    """A Content-Length over the limit is refused before the body; without a token with 401."""
    for token, status in ((TOKEN, 413), (b"", 401)):
        head = b"POST /api/v1/toys HTTP/1.1\r\nHost: a\r\n" + JSON + token
        answer = await send(api, head + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1))
        assert statuses(answer) == [status]


async def test_body_at_limit(api):
    """A body of 16 KiB is read; one byte more is refused."""
    for size, status in ((LIMIT, 201), (LIMIT + 1, 413)):
        body = BEAR + b" " * (size - len(BEAR))
        answer = await send(
            api, POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size + body
        )
        assert statuses(answer) == [status]


async def test_endless_body(api):
    """Endless chunks are refused at the limit, and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    while not answer.done():
        writer.write(b"1000\r\n" + b" " * 4_096 + b"\r\n")
        sent += 4_096
        await asyncio.wait([answer], timeout=0.01)
        await writer.drain()
    assert statuses(await answer) == [413]
    assert sent > LIMIT
    writer.transport.abort()


async def test_expect_continue(api):
    """`100 Continue` is sent only after the token was found valid, and only if it was asked for."""
    head = POST + b"Content-Length: 30\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BEAR)
    assert statuses(await reader.read()) == [201]
    writer.close()
    assert statuses(await send(api, head.replace(b"admin", b"nobody"))) == [401]
    assert statuses(await send(api, head.replace(b"100-continue", b"200-ok"))) == [417]


async def test_slow_head(fresh, monkeypatch):
    """A client that does not finish its head is disconnected, even after earlier requests."""
    monkeypatch.setattr(listener, "IDLE_SECONDS", 0.3)
    async with api_world(fresh, TOYS) as api:
        assert await send(api, GET) == b""
        assert statuses(await send(api, GET + b"\r\nGET /api")) == [200]


async def test_slow_body(fresh, monkeypatch):
    """A client that does not finish its body gets an error and is disconnected."""
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(listener, "LINGER_SECONDS", 0.2)
    async with api_world(fresh, TOYS) as api:
        answer = await send(api, POST + b"Content-Length: 30\r\n\r\n{")
    assert statuses(answer) == [408]


def limited(connections):
    """Return settings with this limit of connections."""
    return Settings(api_port=0, api_rate=FAST, api_connections=connections)


async def end(writer):
    """Close a connection, even if it is already closed."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_connections_of_one_account(fresh):
    """An account that holds all connections loses one; if each account holds one, none does."""
    closing = GET.replace(b"admin", b"viewer").replace(b"Host: a\r\n", LAST) + b"\r\n"
    async with api_world(fresh, TOYS, limited(2)) as api:
        held = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(2)]
        for reader, writer in held:
            writer.write(GET + b"\r\n")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        assert statuses(await send(api, closing)) == [200]
        other, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(GET.replace(b"admin", b"viewer") + b"\r\n")
        assert (await other.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        refused = await send(api, b"")
        assert statuses(refused) == [503]
        assert b"Retry-After: 1\r\n" in refused
        for each in (writer, *(writer for _, writer in held)):
            await end(each)


@pytest.mark.parametrize(
    "begun", [b"", b"GET /api/v1/toys/bear HTT", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
)
async def test_idle_connections_are_closed(fresh, begun):
    """The oldest connection without a token is closed; one that had a valid token stays."""
    async with api_world(fresh, TOYS, limited(3)) as api:
        known, sending = await asyncio.open_connection("127.0.0.1", api.port)
        sending.write(GET + b"\r\n")
        assert (await known.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        held = []
        for _ in range(2):
            held.append(await asyncio.open_connection("127.0.0.1", api.port))
            held[-1][1].write(begun)
            if begun.endswith(b"\r\n\r\n"):
                assert (await held[-1][0].readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
        assert statuses(await send(api, GET + b"Connection: close\r\n\r\n")) == [200]
        with contextlib.suppress(ConnectionResetError):
            await held[0][0].read()  # it is closed; the next one stays open
        assert held[0][0].at_eof() or held[0][0].exception()
        assert not held[1][0].at_eof()
        assert held[1][0].exception() is None
        sending.write(GET + b"Connection: close\r\n\r\n")
        assert (await known.read()).count(b"HTTP/1.1 200") == 1
        for writer in (sending, *(writer for _, writer in held)):
            await end(writer)


async def test_busy_connections_are_closed_last(fresh):
    """A connection without a token is closed during an answer only if others wait."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_call):
        """Wait until the test releases the answer."""
        begun.set()
        await release.wait()
        return Reply()

    operations = (*TOYS, operation("GET", "/slow", slow, permission=None, public=True, status=204))
    async with api_world(fresh, operations, limited(2)) as api:
        busy, sending = await asyncio.open_connection("127.0.0.1", api.port)
        sending.write(b"GET /api/v1/slow HTTP/1.1\r\n" + LAST + b"\r\n")
        await begun.wait()
        _, idle = await asyncio.open_connection("127.0.0.1", api.port)
        assert statuses(await send(api, GET + b"Connection: close\r\n\r\n")) == [200]
        release.set()
        assert statuses(await busy.read()) == [204]
        for writer in (sending, idle):
            await end(writer)


async def test_client_disconnects(fresh):
    """A request is completed after the client has disconnected; no failure is logged."""
    begun, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(call):
        """Wait until the test releases the answer."""
        begun.set()
        await release.wait()
        done.set()
        return Reply(call.body)

    operations = (operation("POST", "/toys", slow, request=Toy, response=Toy),)
    with structlog.testing.capture_logs() as entries:
        async with api_world(fresh, operations) as api:
            _, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(POST + b"Content-Length: 30\r\n\r\n" + BEAR)
            await begun.wait()
            writer.transport.abort()
            release.set()
            await done.wait()
    assert entries == []


async def test_requests_are_not_logged(api, caplog, capfd):
    """A request's headers, path, query, body and address do not appear in any log."""
    caplog.set_level(logging.DEBUG)
    canaries = b"X-Canary: canary-head\r\nUser-Agent: canary-agent\r\nReferer: canary-from\r\n"
    get, post = (head.replace(b"Host: a\r\n", LAST + canaries) for head in (GET, POST))
    requests = [
        get.replace(b"/bear", b"/canary-path") + b"\r\n",
        get.replace(b"/bear", b"?canary-query=1") + b"\r\n",
        get.replace(b"toys/bear", b"failures?how=bug") + b"\r\n",
        get.replace(b"toys/bear", b"failures?how=database") + b"\r\n",
        get.replace(b"admin", b"canary-token") + b"\r\n",
        post + b"Content-Length: 20\r\n\r\n" + b'{"canary-body": "x"}',
        post + b"X-Canary : canary-malformed\r\n\r\n",
        b"canary-rubbish\r\n\r\n",
    ]
    with structlog.testing.capture_logs() as entries:
        for request in requests:
            assert statuses(await send(api, request)) != [200]
    text = f"{entries}{caplog.text}{capfd.readouterr()}"
    assert len(entries) == 2
    assert "canary" not in text
    assert "127.0.0.1" not in text
    assert "admin" not in text
